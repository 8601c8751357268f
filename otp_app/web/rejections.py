"""Why a request was not done, before an API gives it a shape. Without Flask, for APIs that are not HTTP too."""

from __future__ import annotations

import errno
import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from otp_app.core.delivery import Reason
from otp_app.core.errors import DeliveryRefused, LimitReached, OtpError, Overloaded
from otp_app.system.logs import log, warn_seldom

#: HTTP status by OtpError.code; what is not named here is 400
STATUS = {
    "unauthorized": 401,
    "no_session": 401,
    "forbidden": 403,
    "country_not_allowed": 403,
    "recipient_stopped": 403,
    "service_fixed": 403,
    "not_found": 404,
    "service_not_found": 404,
    "notification_not_found": 404,
    "user_not_found": 404,
    "session_not_found": 404,
    "not_pending": 409,
    "idempotency_key_in_use": 409,
    "too_many_services": 409,
    "user_exists": 409,
    "too_large": 413,
    "unsupported_media_type": 415,
    "idempotency_key_reused": 422,
    "holds_code": 422,
    "resend_too_soon": 429,
    "too_many_sends": 429,
    "verification_spent": 429,
    "cooling_down": 429,
    "too_many_pending": 429,
    "busy": 429,
    "too_many_requests": 429,
    "too_many_polls": 429,
    "too_many_notifications": 429,
    "key_limit_reached": 429,
    "too_many_wrong_keys": 429,
    "store_unavailable": 503,
    "directory_unavailable": 503,
    "accounts_unavailable": 503,
    "bus_unavailable": 503,
    "unknown_key": 503,
    "unchecked": 503,
    "channel_down": 503,
}
#: HTTP status by the reason why no channel took the message
REFUSED_STATUS = {
    Reason.BAD_NUMBER: 422,
    Reason.BLOCKED: 403,
    Reason.SUSPICIOUS: 403,
    Reason.OPTED_OUT: 403,
    Reason.THROTTLED: 503,
    Reason.ACCOUNT: 503,
    Reason.AUTH: 503,
    Reason.UNREACHABLE: 503,
    Reason.FAILED: 502,
}
RETRY_AFTER = {429: 1.0, 503: 5.0}  # seconds, where the error itself knows none
#: What only a person can mend: to repeat the request does not help.
BY_A_PERSON = {Reason.ACCOUNT, Reason.AUTH}


#: What a system call says when the process or the system has no file descriptor or memory left
EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit that was reached: `quota` requests in `window` seconds, and again after `wait` seconds."""

    name: str
    quota: int
    window: float
    wait: float


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a request was not done."""

    status: int
    text: str  # for people
    error_type: str  # for programs
    retry_after: int | None = None  # seconds
    limit: Limit | None = None
    headers: Iterable[tuple[str, str]] = field(default=())  # such as Allow


def rejection(
    status: int,
    text: str,
    error_type: str,
    retry_after: float | None = None,
    *,
    limit: Limit | None = None,
    headers: Iterable[tuple[str, str]] = (),
    may_wait: bool = True,
) -> Rejection:
    """Return a rejection. Every 429 and 503 says when to repeat the request, unless that does not help (`may_wait`)."""
    wait = RETRY_AFTER.get(status) if retry_after is None and may_wait else retry_after
    return Rejection(status, text, error_type, None if wait is None else math.ceil(wait), limit, headers)


def of_error(error: OtpError) -> Rejection:
    """Return what an error of the core means, with when to repeat the request."""
    if isinstance(error, DeliveryRefused):
        reason = Reason(error.reason)
        status, kind, may_wait = REFUSED_STATUS[reason], reason.value, reason not in BY_A_PERSON
    else:
        status, kind, may_wait = 503 if isinstance(error, Overloaded) else STATUS.get(error.code, 400), error.code, True
        if status >= 500:
            warn_seldom(f"{error.code}: {error}")
    limit = None
    if isinstance(error, LimitReached):
        limit = Limit(error.of, error.quota, error.window, error.retry_after or 0)
    return rejection(status, str(error), kind, error.retry_after, limit=limit, may_wait=may_wait)


def of_defect(error: Exception) -> Rejection:
    """Return a defect of ours, of which only type and place are logged, or a lack of file descriptors."""
    if isinstance(error, OSError) and error.errno in EXHAUSTED:
        return of_error(Overloaded(f"The server cannot do that at this moment ({errno.errorcode[error.errno]})"))
    log.error("unexpected error", exc_info=error)
    return rejection(500, "Internal error", "internal_error")
