"""Errors: the HTTP status of each, and its one rendering by the API that was asked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from flask import Flask, Response, current_app, jsonify, request
from werkzeug.exceptions import HTTPException

from otp_app.core.errors import OtpError
from otp_app.web import rejections
from otp_app.web.rejections import Rejection

Renderer = Callable[[Rejection], Response]


def init_app(app: Flask) -> None:
    """Answer every error in JSON."""
    app.extensions["otp_renderers"] = ({}, {})
    app.register_error_handler(OtpError, otp_error)
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(Exception, unexpected)


def render_with(app: Flask, render: Renderer, blueprints: Iterable[str], prefixes: Iterable[str]) -> None:
    """Let an API render the errors of its blueprints, by name, and those of every path below its prefixes."""
    by_blueprint, by_prefix = app.extensions["otp_renderers"]
    by_blueprint |= dict.fromkeys(blueprints, render)
    by_prefix |= dict.fromkeys(prefixes, render)


def otp_error(error: OtpError) -> Response:
    """Answer an error of the core."""
    return _answer(rejections.of_error(error), error)


def http_error(error: HTTPException) -> Response:
    """Answer what Flask and Werkzeug reject, with their headers, such as Allow."""
    headers = [header for header in error.get_headers() if not header[0].lower().startswith("content-")]
    kind = error.name.lower().replace(" ", "_")
    return _answer(rejections.rejection(error.code or 500, error.name, kind, headers=headers))


def unexpected(error: Exception) -> Response:
    """Answer a defect of ours."""
    return _answer(rejections.of_defect(error))


def _answer(rejection: Rejection, error: OtpError | None = None) -> Response:
    """Return the answer for a request that was not done, in the shape of the API that was asked."""
    if measured := current_app.extensions.get("otp_measured"):
        measured.rejected(rejection.error_type, error)
    response = _renderer()(rejection)
    _add_headers(response, rejection)
    return response


def render(rejection: Rejection) -> Response:
    """Return the answer in the server's own shape."""
    response = jsonify(shown(rejection))
    response.status_code = rejection.status
    return response


def shown(rejection: Rejection) -> dict[str, object]:
    """Return the server's own shape: an `error` for people, and what a program needs beside it."""
    body: dict[str, object] = {"error": rejection.text, "error_type": rejection.error_type, "status": rejection.status}
    if rejection.retry_after is not None:
        body["retry_after"] = rejection.retry_after
    return body


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
