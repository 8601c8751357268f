"""What callers ask of a send, and what the service returns: the result of a send, and a view of a verification."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from otp_app.core.codes import CODE
from otp_app.core.delivery import Outcome
from otp_app.core.errors import InvalidInput
from otp_app.core.instant import Instant
from otp_app.core.ledger import NO_ORIGIN, Origin, Status, Verification
from otp_app.core.phone import mask
from otp_app.core.policy import Policy
from otp_app.core.tags import fault_of
from otp_app.core.texts import APP_HASH, LOCALE

PURPOSE = re.compile(r"[a-z0-9_-]{1,32}")
DEFAULT_PURPOSE = "login"


class SendRequest(Struct, frozen=True):
    """One caller's choices. Raises InvalidInput where one is not in its form."""

    purpose: str = DEFAULT_PURPOSE
    channel: str | None = None  # the only one to use; None: the configured ones in order
    locale: str = ""  # language tag of the text
    authenticated: bool = False  # the caller showed an API key
    from_directory: bool = False  # the number is from the operator's own directory: it need not be in use
    code: str = ""  # chosen by the caller for a verification that begins; 4 to 10 digits
    replace_code: bool = False  # that code replaces the one of a pending verification too
    tags: Mapping[str, str] = field(default_factory=dict)  # stay with the verification, in place of earlier ones
    app_hash: str = ""  # of an Android app that is to read the message, and those that follow; stays like the tags
    origin: Origin = NO_ORIGIN  # for the history

    def __post_init__(self) -> None:
        if not PURPOSE.fullmatch(self.purpose):
            raise InvalidInput("purpose must be 1 to 32 characters of a-z, 0-9, _ and -, such as login")
        if self.locale and not LOCALE.fullmatch(self.locale):
            raise InvalidInput("locale must be a language tag, such as en or pt-BR, of 1000 characters at most")
        if self.code and not CODE.fullmatch(self.code):
            raise InvalidInput("code must be 4 to 10 digits")
        if self.app_hash and not APP_HASH.fullmatch(self.app_hash):
            raise InvalidInput("app_hash must be the 11 characters of an Android app: A-Z, a-z, 0-9, + and /")
        if self.tags and (fault := fault_of(self.tags)):
            raise InvalidInput(fault)

    def with_purpose(self, purpose: str) -> SendRequest:
        """Return the same choices for another purpose."""
        return replace(self, purpose=purpose)


class VerificationView(Struct, frozen=True):
    """What is known of a verification but its code, at one moment and for one API's policy."""

    verification: Verification
    phone: str  # E.164: for callers that may see the whole number; `to` is for all
    at: Instant
    policy: Policy

    @property
    def to(self) -> str:
        """The number, masked."""
        return mask(self.phone)

    @property
    def status(self) -> Status:
        """The status, expiry included."""
        return self.verification.status_at(self.at)

    @property
    def attempts_left(self) -> int:
        """Attempts that this API still allows."""
        return self.policy.within(self.verification.attempts_allowed).attempts_left(self.verification.attempts)

    @property
    def expires_in(self) -> float:
        """Seconds of life that are left; 0 once it has ended."""
        return self.verification.left(self.at)


class StatusView(VerificationView, frozen=True):
    """The same with what its number may still get."""

    resend_in: float  # seconds until no limit of the number holds the next message back


class SendResult(Struct, frozen=True):
    """The result of a send, as an idempotency key remembers it."""

    verification_id: str
    to: str  # masked
    channel: str
    outcome: Outcome  # sent, or unknown: it may arrive
    expires_in: float  # seconds
    resend_in: float  # seconds until no limit of the number holds the next message back
    sends_left: int | None  # None: no caps


class FreshSendResult(SendResult, frozen=True):
    """The result of a send that was just made: reading the verification afterwards could fail, though it was sent."""

    view: VerificationView
