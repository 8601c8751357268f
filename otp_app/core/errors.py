"""Refusals and failures. Each has a stable short code and carries its evidence; none knows HTTP.

A wrong code is neither: it is an answer (verification.Verdict).
"""

from __future__ import annotations

from typing import ClassVar


class OtpError(Exception):
    """Raised instead of an answer. `str(error)` is safe to show: no code, no whole number in it."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after  # seconds after which the same call may work; None: it will not by itself


class InvalidInput(OtpError):
    """A field has a value that nobody can use."""

    code = "invalid_input"


class InvalidPhone(InvalidInput):
    """Not a phone number that can receive a code on the channels at hand."""

    code = "invalid_phone"


class Landline(InvalidPhone):
    """A fixed line, where no channel at hand reaches one."""

    code = "landline"


class UnknownChannel(InvalidInput):
    """A channel that is not served here."""

    code = "unknown_channel"


class CountryNotAllowed(OtpError):
    """The number's country is not on this server's list, or its kind is never served."""

    code = "country_not_allowed"


class VerificationNotFound(OtpError):
    """No verification has this id."""

    code = "not_found"


class NotPending(OtpError):
    """The verification is over already."""

    code = "not_pending"


class LimitReached(OtpError):
    """A limit of this number refuses another message for now. Nothing was changed."""

    code = "limit_reached"
    of: ClassVar[str] = "number"  # whose limit it is

    def __init__(self, message: str, retry_after: float, quota: int, window: float) -> None:
        super().__init__(message, retry_after)
        self.quota, self.window = quota, window  # so many messages in so many seconds


class TooSoon(LimitReached):
    """The gap between two messages to one number is not over."""

    code = "resend_too_soon"


class TooManySends(LimitReached):
    """The number had its messages of the hour or the day."""

    code = "too_many_sends"


class VerificationSpent(TooManySends):
    """This verification had all its messages."""

    code = "verification_spent"
    of = "verification"


class CoolingDown(LimitReached):
    """A verification of this number died of wrong codes a short time ago."""

    code = "cooling_down"


class TooManyPending(LimitReached):
    """Too many purposes have a verification pending for this number."""

    code = "too_many_pending"


class Busy(OtpError):
    """Too many requests for one number at the same moment."""

    code = "busy"


class Overloaded(OtpError):
    """As many sends as this process may have at once are running. Nothing was changed."""

    code = "busy"


class DeliveryRefused(OtpError):
    """Every channel that was tried refused the message. `reason` is an delivery.Reason."""

    code = "delivery_refused"

    def __init__(self, message: str, reason: str, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after)
        self.reason = reason


class IdempotencyMismatch(OtpError):
    """The idempotency key was used for another request."""

    code = "idempotency_key_reused"


class IdempotencyInProgress(OtpError):
    """The first request under this idempotency key is still running."""

    code = "idempotency_key_in_use"


class StoreUnavailable(OtpError):
    """The store cannot be reached or cannot write. Whether the last change was made may be unknown."""

    code = "store_unavailable"

    def __init__(self, message: str = "The store is not available", retry_after: float = 1.0) -> None:
        super().__init__(message, retry_after)


class DirectoryUnavailable(OtpError):
    """The directory of users cannot be asked."""

    code = "directory_unavailable"

    def __init__(self, message: str = "The directory is not available", retry_after: float = 1.0) -> None:
        super().__init__(message, retry_after)


class UnknownKey(OtpError):
    """The code was made with a key that this server does not hold. No try was spent."""

    code = "unknown_key"


class ChannelDown(OtpError):
    """The channel is known not to work at the moment."""

    code = "channel_down"
