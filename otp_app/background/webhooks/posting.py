"""POST to the receiver: one deadline for everything, no redirects, and little of the answer is read."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

from otp_app.connections.deadline import MAX_ANSWER, Deadline, DeadlineReader
from otp_app.connections.tcp import Idle, dial
from otp_app.connections.tls import client_context

TIMEOUT = 10.0  # seconds for an event as a whole
MAX_IDLE = 20.0  # seconds; receivers, and proxies before them, close idle connections later than that
AT_ONCE = 4096  # bytes; an answer is short
QUIET = 5.0  # seconds without attempts after one that got no answer: events must not wait for each other's time-outs

#: Head of an answer that took the event, of which http.client would make nothing else. It reads all other answers.
_TAKEN = re.compile(rb"HTTP/1\.1 2\d\d [ -~]*\r\n((?:[0-9A-Za-z-]+:[\t -~]*\r\n){0,50})\r\n")
_FRAMING = re.compile(rb"(?im)^(content-length|transfer-encoding|connection):[\t ]*(.*?)[\t ]*\r$")


class Reply(NamedTuple):
    """What became of an attempt."""

    taken: bool  # the receiver answered 2xx
    why: str = ""  # it did not, in words without the address
    retry_after: float = 0.0  # seconds that it asked for
    gone: bool = False  # it answered 410


class Poster:
    """Posts to one URL from any number of threads; connections stay open for the next event."""

    def __init__(self, url: str, timeout: float = TIMEOUT, clock: Callable[[], float] = time.monotonic) -> None:
        parts = urlsplit(url)
        self._host, self._port = str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._head = (
            f"POST {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept-Encoding: identity\r\n"
            "Content-Type: application/json\r\nUser-Agent: otp-app\r\n"
        )
        self._tls = client_context() if parts.scheme == "https" else None
        self._timeout, self._clock = timeout, clock
        self._idle: deque[_Connection] = deque()
        self._quiet_until = 0.0

    def post(self, content: bytes, headers: dict[str, str]) -> Reply:
        """Post once, and say what became of it; while the receiver gives no answers, at once. Never raises."""
        if self._clock() < self._quiet_until:
            return Reply(taken=False, why="gave no answer a moment ago")
        try:
            return self._post(self._request(content, headers), Deadline(self._timeout, self._clock))
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._quiet_until = self._clock() + QUIET
            why = "gave no answer in time" if isinstance(error, TimeoutError) else "cannot be reached"
            return Reply(taken=False, why=f"{why} ({type(error).__name__})")

    def close(self) -> None:
        """Close the connections that nobody uses at the moment."""
        while kept := self._take_kept():
            kept.close()

    def _request(self, content: bytes, headers: dict[str, str]) -> bytes:
        """Return the whole request as one piece: one system call, one packet, one TLS record."""
        own = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"{self._head}Content-Length: {len(content)}\r\n{own}\r\n".encode("ascii") + content

    def _post(self, request: bytes, deadline: Deadline) -> Reply:
        if kept := self._take_kept():
            try:
                return self._exchange(kept, request, deadline)
            except (ConnectionError, http.client.BadStatusLine):  # it was closed just now, so a new one is tried
                kept.close()
        return self._exchange(self._connect(deadline), request, deadline)

    def _exchange(self, connection: _Connection, request: bytes, deadline: Deadline) -> Reply:
        try:
            reply, is_reusable = connection.exchange(request, deadline)
        except BaseException:
            connection.close()
            raise
        if is_reusable:
            connection.idle_since = self._clock()
            self._idle.append(connection)
        else:
            connection.close()
        return reply

    def _take_kept(self) -> _Connection | None:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if self._clock() - connection.idle_since < MAX_IDLE and connection.is_quiet():
                return connection
            connection.close()

    def _connect(self, deadline: Deadline) -> _Connection:
        sock = dial(self._host, self._port, deadline.left())
        try:
            sock.settimeout(deadline.left())
            return _Connection(self._tls.wrap_socket(sock, server_hostname=self._host) if self._tls else sock)
        except BaseException:
            sock.close()
            raise


class _Connection:
    """A connection that is open, used for one request after the other."""

    def __init__(self, sock: socket.socket | ssl.SSLSocket) -> None:
        self._sock, self.idle_since = sock, 0.0
        self.is_quiet = Idle(sock).is_quiet

    def exchange(self, request: bytes, deadline: Deadline) -> tuple[Reply, bool]:
        """Send a request; return its answer, and whether another request may follow."""
        self._sock.settimeout(deadline.left())
        self._sock.sendall(request)
        self._sock.settimeout(deadline.left())
        begun = self._sock.recv(AT_ONCE)
        return (Reply(taken=True), True) if _is_taken(begun) else _any_answer(self._sock, deadline, begun)

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()


def _is_taken(data: bytes) -> bool:
    """Whether these bytes are an answer of 2xx that is whole, alone and in no way unusual."""
    if not (found := _TAKEN.match(data)):
        return False
    framing = [(name.lower(), value.lower()) for name, value in _FRAMING.findall(found[1])]
    said = [header for header in framing if header != (b"connection", b"keep-alive")]
    length = len(data) - found.end()
    return said == [(b"content-length", b"%d" % length)] or (not said and not length and data[9:12] == b"204")


def _any_answer(sock: socket.socket, deadline: Deadline, begun: bytes) -> tuple[Reply, bool]:
    """Read an answer. Of its body nothing is needed, and little is read: the status counts, whatever comes after it."""
    reader = DeadlineReader(sock, deadline, begun)
    answer = http.client.HTTPResponse(reader)  # type: ignore[arg-type]
    try:
        answer.begin()
        reply = _reply(answer.status, answer.headers.get("Retry-After", ""))
        try:
            answer.read(MAX_ANSWER)
        except (OSError, http.client.HTTPException, ValueError):
            return reply, False
        # After an answer of 1xx the real one may follow, and the next request would get it.
        return reply, answer.isclosed() and not answer.will_close and answer.status >= 200 and not reader.has_more
    finally:
        answer.close()


def _reply(status: int, retry_after: str) -> Reply:
    if 200 <= status < 300:
        return Reply(taken=True)
    seconds = float(retry_after) if retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 9 else 0.0
    redirect = ", a redirect, which is not followed" if 300 <= status < 400 else ""
    return Reply(taken=False, why=f"answered {status}{redirect}", retry_after=seconds, gone=status == 410)
