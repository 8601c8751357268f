"""What every response has: compact JSON and the security headers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from flask import Flask
from flask.json.provider import DefaultJSONProvider

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HEADERS = [
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
]
POLICY = ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")


class Application(Flask):
    """Flask without a look at each function of each request for whether it is async: none is."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return it as it is."""
        return func


class Compact(DefaultJSONProvider):
    """Flask's JSON with one encoder for all answers instead of one for each."""

    _encoder = json.JSONEncoder(separators=(",", ":"))

    def dumps(self, obj: Any, **_: Any) -> str:
        """Return the text of an answer."""
        return self._encoder.encode(obj)


class SecurityHeaders:
    """Adds HEADERS to every answer, and POLICY to one without its own, below Flask, where it costs a tenth."""

    def __init__(self, wsgi_app: WSGIApplication) -> None:
        self._wsgi_app = wsgi_app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            policy = [] if POLICY[0] in dict(headers) else [POLICY]
            return start_response(status, headers + HEADERS + policy, exc_info)

        return self._wsgi_app(environ, start)
