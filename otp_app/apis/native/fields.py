"""The fields of the native requests."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from otp_app.core.results import PURPOSE
from otp_app.core.texts import APP_HASH, LOCALE
from otp_app.web.body import Fields

VISIBLE = Meta(pattern=r"\A[!-~]{1,255}\Z", description="1 to 255 visible ASCII characters, without blanks")


class NativeFields(Fields, frozen=True, kw_only=True):
    """What all take. A missing number or code may be null too, as in the requests of older clients."""

    phone_number: Annotated[str, Meta(max_length=64)] | None = None
    verification_id: Annotated[str, Meta(min_length=1, max_length=64)] = ""
    purpose: Annotated[str, Meta(
        pattern=rf"\A{PURPOSE.pattern}\Z", description="1 to 32 of a-z, 0-9, _ and -, such as login",
    )] = ""


class SendFields(NativeFields, frozen=True, kw_only=True):
    """What send and resend take."""

    channel: Annotated[str, Meta(min_length=1, max_length=32)] = ""
    locale: Annotated[str, Meta(pattern=rf"\A{LOCALE.pattern}\Z", description="a language tag, such as pt-BR")] = ""
    app_hash: Annotated[str, Meta(
        pattern=rf"\A{APP_HASH.pattern}\Z", description="the 11 characters of an Android app: A-Z, a-z, 0-9, + and /",
    )] = ""
    tags: dict[str, str] = field(default_factory=dict)


class VerifyFields(NativeFields, frozen=True, kw_only=True):
    """What verify takes. For a proof: its audience, and a nonce of theirs that comes back in it."""

    otp: Annotated[str, Meta(max_length=64)] | None = None
    proof_audience: Annotated[str, VISIBLE] = ""
    proof_nonce: Annotated[str, VISIBLE] = ""
