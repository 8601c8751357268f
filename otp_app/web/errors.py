"""How refusals and failures look on the native API: an `error` that people read, and what a program can act on."""

from __future__ import annotations

import errno
import math
from typing import Any

from flask import Flask, Response, jsonify
from werkzeug.exceptions import HTTPException

from otp_app.core.delivery import Reason
from otp_app.core.errors import DeliveryRefused, LimitReached, OtpError, Overloaded
from otp_app.logs import log, warn_seldom

#: HTTP status by OtpError.code; what is not named here is 400
STATUS = {
    "unauthorized": 401,
    "forbidden": 403,
    "country_not_allowed": 403,
    "service_fixed": 403,
    "not_found": 404,
    "service_not_found": 404,
    "not_pending": 409,
    "idempotency_key_in_use": 409,
    "too_many_services": 409,
    "too_large": 413,
    "unsupported_media_type": 415,
    "idempotency_key_reused": 422,
    "resend_too_soon": 429,
    "too_many_sends": 429,
    "verification_spent": 429,
    "cooling_down": 429,
    "too_many_pending": 429,
    "busy": 429,
    "too_many_requests": 429,
    "too_many_wrong_keys": 429,
    "store_unavailable": 503,
    "directory_unavailable": 503,
    "unknown_key": 503,
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
#: What only a person can mend: coming back by oneself does not help.
BY_A_PERSON = {Reason.ACCOUNT, Reason.AUTH}


#: What a system call says when the process or the system has no file descriptor or memory left
EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}


def init_app(app: Flask) -> None:
    """Answer every error in JSON."""
    app.register_error_handler(OtpError, otp_error)
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(Exception, unexpected)


def otp_error(error: OtpError) -> Response:
    """Translate a refusal of the core, with when to come back."""
    if isinstance(error, DeliveryRefused):
        response = _not_sent(error, Reason(error.reason))
    else:
        status = 503 if isinstance(error, Overloaded) else STATUS.get(error.code, 400)
        response = refusal(status, str(error), error.code, error.retry_after)
        if response.status_code >= 500:
            warn_seldom(f"{error.code}: {error}")
    if isinstance(error, LimitReached):
        add_rate_limit(response, error.of, error.quota, error.window, error.retry_after or 0)
    return response


def _not_sent(error: DeliveryRefused, reason: Reason) -> Response:
    status = REFUSED_STATUS[reason]
    if error.retry_after is None and reason in BY_A_PERSON:
        return _answer(status, str(error), reason, None)
    return refusal(status, str(error), reason, error.retry_after)


def add_rate_limit(response: Response, name: str, quota: int, window: float, wait: float) -> None:
    """Tell which limit was reached, as draft-ietf-httpapi-ratelimit-headers-10 writes it; times in seconds."""
    response.headers["RateLimit-Policy"] = f'"{name}";q={quota};w={math.ceil(window)}'
    response.headers["RateLimit"] = f'"{name}";r=0;t={math.ceil(wait)}'


def http_error(error: HTTPException) -> Response:
    """Translate what Flask and Werkzeug refuse, their headers (such as Allow) kept."""
    status = error.code or 500
    response = refusal(status, error.name, error.name.lower().replace(" ", "_"))
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def unexpected(error: Exception) -> Response:
    """Answer a defect of ours, of which only type and place are logged, or that there are no file descriptors."""
    if isinstance(error, OSError) and error.errno in EXHAUSTED:
        return otp_error(Overloaded(f"The server cannot do that at this moment ({errno.errorcode[error.errno]})"))
    log.error("unexpected error", exc_info=error)
    return refusal(500, "Internal error", "internal_error")


def native(response: Response) -> dict[str, Any] | None:
    """Return the body of a refusal of the native shape; None for every other answer. Faces have shapes of their own."""
    said = response.get_json(silent=True) if response.status_code >= 400 else None
    return said if isinstance(said, dict) and "error_type" in said else None


def refusal(status: int, text: str, error_type: str, retry_after: float | None = None) -> Response:
    """The answer for a request that was not done, with when to come back: every 429 and 503 has it."""
    return _answer(status, text, error_type, RETRY_AFTER.get(status) if retry_after is None else retry_after)


def _answer(status: int, text: str, error_type: str, wait: float | None) -> Response:
    body: dict[str, object] = {"error": text, "error_type": error_type, "status": status}
    if wait is not None:
        body["retry_after"] = math.ceil(wait)
    response = jsonify(body)
    response.status_code = status
    if wait is not None:
        response.headers["Retry-After"] = str(math.ceil(wait))
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"  # RFC 9110, 11.6.1
    return response
