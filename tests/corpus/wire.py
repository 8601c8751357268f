"""HTTP by hand: any bytes out, whatever comes back in. A client library would correct what the corpus wants wrong."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time
from dataclasses import dataclass
from typing import Any

PATIENCE = 0.3  # seconds to wait for an answer before the end of the request is signalled …
DEADLINE = 10.0  # … and seconds in all
_HEAD = re.compile(rb"HTTP/1\.[01] (\d{3})[^\r\n]*\r\n")


@dataclass(frozen=True)
class Response:
    """One answer as it came over the wire."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """A header's value, "" where it is absent."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    @property
    def json(self) -> Any:
        """The body as JSON, None where it is not."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def text(self) -> str:
        """Headers and body, as something to search."""
        return "\n".join(f"{k}: {v}" for k, v in self.headers) + "\n\n" + self.body.decode("utf-8", "replace")


def exchange(port: int, request: bytes) -> list[Response]:
    """Send bytes and return every answer, interim ones left out; none where the connection was just closed.

    Our side of the connection is shut once an answer is there (or does not come), so that a server which waits for
    more, or would take the rest for a second request, says so now.
    """
    head = request.startswith(b"HEAD ")
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as connection:
        with contextlib.suppress(OSError):  # it may hang up before it has read all, and have answered all the same
            connection.sendall(request)
        received = _receive(connection, head)
    return [response for response in _split(received, head) if response.status >= 200]


def _receive(connection: socket.socket, head: bool) -> bytes:
    received, end, shut = b"", time.monotonic() + DEADLINE, False
    while time.monotonic() < end:
        connection.settimeout(PATIENCE)
        try:
            piece = connection.recv(65536)
        except TimeoutError:
            piece = None
        except ConnectionError:
            break
        if piece == b"":
            break
        received += piece or b""
        if not shut and (piece is None or any(r.status >= 200 for r in _split(received, head))):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
            shut = True
    return received


def _split(received: bytes, head: bool) -> list[Response]:
    """The answers that are complete in what was received."""
    responses = []
    while received:
        start, end = _HEAD.match(received), received.find(b"\r\n\r\n")
        assert start or len(received) < 15, f"not an HTTP answer: {received[:80]!r}"
        if not start or end < 0:
            break
        headers = tuple(_header(line) for line in received[start.end() : end].split(b"\r\n") if line)
        status = int(start[1])
        length = 0 if head or status < 200 or status in (204, 304) else _length(headers)
        if len(received) < end + 4 + length:
            break
        responses.append(Response(status, headers, received[end + 4 : end + 4 + length]))
        received = received[end + 4 + length :]
    return responses


def _length(headers: tuple[tuple[str, str], ...]) -> int:
    lengths = [value for key, value in headers if key.lower() == "content-length"]
    assert len(lengths) == 1, f"an answer without one length: {headers}"
    return int(lengths[0])


def _header(line: bytes) -> tuple[str, str]:
    name, _, value = line.decode("latin-1").partition(":")
    return name.strip(), value.strip()
