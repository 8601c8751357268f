"""What the core raises instead of an answer. Each error has a stable short code and its evidence; none knows HTTP.

A wrong code is no error: it is an answer (check_transitions.Verdict).
"""

from __future__ import annotations

from typing import ClassVar


class OtpError(Exception):
    """Raised instead of an answer. `str(error)` is safe to show: no code, no whole number in it."""

    code: ClassVar[str] = "error"
    passing = False  # whether a start that it prevents may succeed later, without anybody's help

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after  # seconds after which the same call may work; None: it will not by itself


class InvalidInput(OtpError):
    """A field has a value that no request can have."""

    code = "invalid_input"


class InvalidPhone(InvalidInput):
    """Not a phone number that can receive a code on the channels of this server."""

    code = "invalid_phone"


class Landline(InvalidPhone):
    """A fixed line, where no channel of this server reaches one."""

    code = "landline"


class CodeNotTaken(InvalidInput):
    """The caller chose a code, but the providers of the channels make the codes themselves."""

    code = "code_not_taken"


class UnknownChannel(InvalidInput):
    """Not a channel of this server."""

    code = "unknown_channel"


class CountryNotAllowed(OtpError):
    """The number's country is not on this server's list, or its operator has blocked the number."""

    code = "country_not_allowed"


class VerificationNotFound(OtpError):
    """No verification has this id."""

    code = "not_found"


class NotPending(OtpError):
    """The verification has already ended."""

    code = "not_pending"


class LimitReached(OtpError):
    """A limit of this number allows no message for now. Nothing was changed."""

    code = "limit_reached"
    of: ClassVar[str] = "number"  # whose limit it is

    def __init__(self, message: str, retry_after: float, quota: int, window: float) -> None:
        super().__init__(message, retry_after)
        self.quota, self.window = quota, window  # so many messages in so many seconds


class TooSoon(LimitReached):
    """The gap between two messages to one number has not passed."""

    code = "resend_too_soon"


class TooManySends(LimitReached):
    """The number had all its messages of the hour or the day."""

    code = "too_many_sends"


class VerificationSpent(TooManySends):
    """This verification has had all its messages."""

    code = "verification_spent"
    of = "verification"


class CoolingDown(LimitReached):
    """Wrong codes ended a verification of this number a short time ago."""

    code = "cooling_down"


class TooManyPending(LimitReached):
    """Too many purposes have a pending verification for this number."""

    code = "too_many_pending"


class TooManyNotifications(LimitReached):
    """The number had all its notifications of the day."""

    code = "too_many_notifications"


class KeyLimitReached(LimitReached):
    """The caller had all its notifications of the day."""

    code = "key_limit_reached"
    of = "key"


class RecipientStopped(OtpError):
    """The recipient wants no notifications."""

    code = "recipient_stopped"


class HoldsCode(OtpError):
    """A notification holds a code, or may: only a verification sends one."""

    code = "holds_code"


class UnknownTemplate(InvalidInput):
    """Not a template of this server."""

    code = "unknown_template"


class BadVariables(InvalidInput):
    """Not the values that the template needs."""

    code = "bad_variables"


class NotificationNotFound(OtpError):
    """No notification has this id."""

    code = "notification_not_found"


class Busy(OtpError):
    """Too many requests for one number at the same moment."""

    code = "busy"


class Overloaded(OtpError):
    """This process has as many sends at once as it may have. Nothing was changed."""

    code = "busy"


class DeliveryRefused(OtpError):
    """Every channel that was asked refused the message. `reason` is a delivery.Reason.

    `verification_id`: of the message that was counted before; "" where none was.
    """

    code = "delivery_refused"

    def __init__(
        self, message: str, reason: str, retry_after: float | None = None, verification_id: str = ""
    ) -> None:
        super().__init__(message, retry_after)
        self.reason, self.verification_id = reason, verification_id


class IdempotencyMismatch(OtpError):
    """The idempotency key was used for another request."""

    code = "idempotency_key_reused"


class IdempotencyInProgress(OtpError):
    """The first request under this idempotency key is still running."""

    code = "idempotency_key_in_use"


class StoreUnavailable(OtpError):
    """The store cannot be reached or cannot write. Whether the last change was made may be unknown."""

    code = "store_unavailable"

    def __init__(
        self, message: str = "The store is not available", retry_after: float = 1.0, *, passing: bool = False
    ) -> None:
        super().__init__(message, retry_after)
        self.passing = passing


class DirectoryUnavailable(OtpError):
    """The directory of users does not answer."""

    code = "directory_unavailable"

    def __init__(self, message: str = "The directory is not available", retry_after: float = 1.0) -> None:
        super().__init__(message, retry_after)


class UnknownKey(OtpError):
    """The code was made with a key that this server does not have. No attempt was spent."""

    code = "unknown_key"


class Unchecked(OtpError):
    """The provider that checks the code has not said whether it is right, so it is not accepted."""

    code = "unchecked"


class ChannelDown(OtpError):
    """The channel is known not to work at the moment."""

    code = "channel_down"
