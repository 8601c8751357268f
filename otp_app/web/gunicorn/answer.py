"""An answer: what the application says to one request, collected whole before any of it is sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from gunicorn.http.errors import InvalidResponseHeader, InvalidResponseHeaderName  # type: ignore[import-untyped]
from gunicorn.http.message import TOKEN_RE  # type: ignore[import-untyped]
from gunicorn.http.wsgi import HEADER_VALUE_RE, STATUS_RE  # type: ignore[import-untyped]
from gunicorn.util import http_date, is_hoppish  # type: ignore[import-untyped]

_date = (0, "")  # a second, and how the header Date says it


class Answer:
    """Calls an application. gunicorn's hooks and its access log take this object for a response."""

    def __init__(self, environ: dict[str, Any]) -> None:
        self.environ = environ
        self.status: str | None = None
        self.headers: list[tuple[str, str]] = []
        self.sent = 0  # bytes of the body
        self._body: list[bytes] = []

    def ask(self, application: Callable[..., Iterable[bytes]]) -> None:
        """Let the application answer. If it fails on the way, nothing of its answer is sent yet."""
        parts = application(self.environ, self._start)
        try:
            for part in parts:
                self._body.append(part)
        finally:
            if hasattr(parts, "close"):
                parts.close()

    def _start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
        if self.status and not exc_info:
            raise AssertionError("start_response was called twice")
        self.status, self.headers = status, headers
        self._body.clear()
        return self._body.append

    def parts(self, *, keep: bool) -> tuple[bytes, bytes]:
        """Return head and body, that one without a copy where the application gave it in one piece.

        Raises what gunicorn does where one of them is no HTTP.
        """
        code = _code(self.status or "")
        bodiless = self.environ["REQUEST_METHOD"] == "HEAD" or code < 200 or code in (204, 304)
        body = b"" if bodiless else b"".join(self._body)
        fields = "".join([_field(name, value) for name, value in self.headers if not _is_length(name)])
        length = next((int(value) for name, value in self.headers if _is_length(name)), None)
        if not bodiless:
            body, length = _cut(body, length), len(body) if length is None else length
        if length is not None and code >= 200 and code != 204:
            fields += f"Content-Length: {length}\r\n"
        self.sent = len(body)
        head = (f"{self.environ['SERVER_PROTOCOL']} {self.status}\r\nServer: gunicorn\r\nDate: {_now()}\r\n"
                f"Connection: {'keep-alive' if keep else 'close'}\r\n{fields}\r\n")
        return head.encode("latin-1"), body


def _cut(body: bytes, length: int | None) -> bytes:
    """Return as much of a body as its application announces. Were it less, the client would wait for the rest."""
    if length is not None and not 0 <= length <= len(body):
        raise ValueError("the answer of the application is shorter than its Content-Length")
    return body[:length]


@lru_cache(256)
def _code(status: str) -> int:
    if not STATUS_RE.fullmatch(status):
        raise ValueError("the application answers without a status")
    return int(status[:3])


@lru_cache(256)
def _is_length(name: str) -> bool:
    return name.lower() == "content-length"


@lru_cache(256)  # an application has few different fields
def _field(name: str, value: str) -> str:
    """Return the line of a field; none for those that are of the connection, and so not the application's."""
    if not TOKEN_RE.fullmatch(name):
        raise InvalidResponseHeaderName(repr(name))
    if not HEADER_VALUE_RE.fullmatch(value):
        raise InvalidResponseHeader(repr(name))  # without the value, which may be secret
    stripped = value.strip(" \t")
    return "" if is_hoppish(name) else f"{name}: {stripped}\r\n"


def _now() -> str:
    """Return the time for the header Date, which is made once a second."""
    global _date
    if (second := int(time.time())) != _date[0]:
        _date = (second, http_date(second))
    return _date[1]
