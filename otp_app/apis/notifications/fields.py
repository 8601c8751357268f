"""The fields of requests."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from otp_app.core.texts import LOCALE
from otp_app.web.body import Fields

MOST_RECIPIENTS = 500
LOCALE_TAG = Meta(pattern=rf"\A{LOCALE.pattern}\Z", description="a language tag, such as pt-BR")


class RecipientFields(Fields, frozen=True, kw_only=True):
    """What each recipient of a batch has."""

    phone_number: Annotated[str, Meta(min_length=1, max_length=64)]
    variables: dict[str, str] = field(default_factory=dict)
    locale: Annotated[str, LOCALE_TAG] = ""


class NotificationFields(RecipientFields, frozen=True, kw_only=True):
    """What a single notification has."""

    template: Annotated[str, Meta(min_length=1, max_length=40)]
    channel: Annotated[str, Meta(min_length=1, max_length=32)] = ""


class BatchFields(Fields, frozen=True, kw_only=True):
    """What a batch has beside its recipients."""

    template: Annotated[str, Meta(min_length=1, max_length=40)]
    channel: Annotated[str, Meta(min_length=1, max_length=32)] = ""
    locale: Annotated[str, LOCALE_TAG] = ""  # of recipients without one of their own
