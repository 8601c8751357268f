"""One request to look at a server; nothing is kept or sent again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPSConnection
from typing import NamedTuple
from urllib.parse import urlsplit

from otp_app.connections.deadline import MAX_ANSWER
from otp_app.connections.tls import client_context

TIMEOUT = 10.0  # seconds without a byte


class Unreachable(Exception):
    """There is no answer. The text says why, without the address."""


class Answer(NamedTuple):
    """An answer, of which at most 64 KiB are read; redirects are not followed."""

    status: int
    headers: HTTPMessage
    text: str

    @property
    def error_type(self) -> str | None:
        """What a server of otp_app says was wrong, "" where nothing was; None from any other server."""
        try:
            said = json.loads(self.text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(said, dict) or not (said.get("status") == "ok" or "error_type" in said):
            return None
        return str(said.get("error_type", ""))


def ask(method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
    """Return what a server answers. Certificates are checked. Raises Unreachable."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with closing(_connection(parts.scheme, str(parts.hostname), parts.port)) as connection:
        try:
            connection.request(method, target, body, {"User-Agent": "otp-app", **(headers or {})})
            answer = connection.getresponse()
            text = answer.read(MAX_ANSWER).decode("utf-8", "replace")
            return Answer(answer.status, answer.headers, text)
        except (OSError, HTTPException, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise Unreachable(f"{type(error).__name__}: {reason}" if reason else type(error).__name__) from None


def _connection(scheme: str, host: str, port: int | None) -> HTTPConnection:
    if scheme == "https":
        return HTTPSConnection(host, port, timeout=TIMEOUT, context=client_context())
    return HTTPConnection(host, port, timeout=TIMEOUT)
