"""Errors: the HTTP status of each, and its one rendering by the API that was asked."""

from __future__ import annotations

import errno
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from flask import Flask, Response, current_app, jsonify, request
from werkzeug.exceptions import HTTPException

from otp_app.core.delivery import Reason
from otp_app.core.errors import DeliveryRefused, LimitReached, OtpError, Overloaded
from otp_app.logs import log, warn_seldom

#: HTTP status by OtpError.code; what is not named here is 400
STATUS = {
    "unauthorized": 401,
    "no_session": 401,
    "forbidden": 403,
    "country_not_allowed": 403,
    "service_fixed": 403,
    "not_found": 404,
    "service_not_found": 404,
    "user_not_found": 404,
    "session_not_found": 404,
    "not_pending": 409,
    "idempotency_key_in_use": 409,
    "too_many_services": 409,
    "user_exists": 409,
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
    "accounts_unavailable": 503,
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


class Unauthorized(OtpError):
    """No credentials, or none that are known."""

    code = "unauthorized"


class Forbidden(OtpError):
    """The caller may not do that, or the server has no callers from elsewhere."""

    code = "forbidden"


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit that was reached: `quota` requests in `window` seconds, and again after `wait` seconds."""

    name: str
    quota: int
    window: float
    wait: float


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a request was not done, before an API gives it a shape."""

    status: int
    text: str  # for people
    error_type: str  # for programs
    retry_after: int | None = None  # seconds
    limit: Limit | None = None
    headers: Iterable[tuple[str, str]] = field(default=())  # such as Allow


Renderer = Callable[[Rejection], Response]


def init_app(app: Flask) -> None:
    """Answer every error in JSON."""
    app.extensions["otp_renderers"] = ({}, {})
    app.register_error_handler(OtpError, otp_error)
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(Exception, unexpected)


def render_with(app: Flask, render: Renderer, blueprints: Iterable[str], prefix: str) -> None:
    """Let an API render the errors of its blueprints, by name, and those of every path below its prefix, if any."""
    by_blueprint, by_prefix = app.extensions["otp_renderers"]
    by_blueprint |= dict.fromkeys(blueprints, render)
    if prefix:
        by_prefix[prefix] = render


def otp_error(error: OtpError) -> Response:
    """Answer an error of the core, with when to repeat the request."""
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
    return reject(status, str(error), kind, error.retry_after, limit=limit, may_wait=may_wait)


def http_error(error: HTTPException) -> Response:
    """Answer what Flask and Werkzeug reject, with their headers, such as Allow."""
    headers = [header for header in error.get_headers() if not header[0].lower().startswith("content-")]
    return reject(error.code or 500, error.name, error.name.lower().replace(" ", "_"), headers=headers)


def unexpected(error: Exception) -> Response:
    """Answer a defect of ours, of which only type and place are logged, or a lack of file descriptors."""
    if isinstance(error, OSError) and error.errno in EXHAUSTED:
        return otp_error(Overloaded(f"The server cannot do that at this moment ({errno.errorcode[error.errno]})"))
    log.error("unexpected error", exc_info=error)
    return reject(500, "Internal error", "internal_error")


def reject(
    status: int,
    text: str,
    error_type: str,
    retry_after: float | None = None,
    *,
    limit: Limit | None = None,
    headers: Iterable[tuple[str, str]] = (),
    may_wait: bool = True,
) -> Response:
    """Return the answer for a request that was not done, in the shape of the API that was asked.

    Every 429 and 503 says when to repeat it, in seconds, unless that does not help (`may_wait`).
    """
    wait = RETRY_AFTER.get(status) if retry_after is None and may_wait else retry_after
    rejection = Rejection(status, text, error_type, None if wait is None else math.ceil(wait), limit, headers)
    response = _renderer()(rejection)
    _add_headers(response, rejection)
    return response


def render(rejection: Rejection) -> Response:
    """Return the server's own shape: an `error` for people, and what a program needs beside it."""
    body: dict[str, object] = {"error": rejection.text, "error_type": rejection.error_type, "status": rejection.status}
    if rejection.retry_after is not None:
        body["retry_after"] = rejection.retry_after
    response = jsonify(body)
    response.status_code = rejection.status
    return response


def _renderer() -> Renderer:
    """Return the renderer of the API that was asked; what belongs to none, such as /healthz, has the server's shape."""
    by_blueprint, by_prefix = current_app.extensions["otp_renderers"]
    if found := by_blueprint.get(request.blueprint):
        return found  # type: ignore[no-any-return]
    path = f"{request.path}/"
    return next((render for prefix, render in by_prefix.items() if path.startswith(prefix)), render)


def _add_headers(response: Response, rejection: Rejection) -> None:
    """Add the headers that every shape has, where the API has not written its own."""
    for name, value in rejection.headers:
        response.headers[name] = value
    if rejection.retry_after is not None:
        response.headers.setdefault("Retry-After", str(rejection.retry_after))
    if rejection.status == 401:
        response.headers.setdefault("WWW-Authenticate", "Bearer")  # RFC 9110, 11.6.1
    if limit := rejection.limit:  # as draft-ietf-httpapi-ratelimit-headers-10 writes it; times in seconds
        response.headers["RateLimit-Policy"] = f'"{limit.name}";q={limit.quota};w={math.ceil(limit.window)}'
        response.headers["RateLimit"] = f'"{limit.name}";r=0;t={math.ceil(limit.wait)}'
