"""POST to the receiver: one deadline for everything, no redirects, and little of the answer is read."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from otp_app.connections.deadline import MAX_ANSWER, Deadline, DeadlineReader
from otp_app.connections.tcp import dial
from otp_app.connections.tls import client_context

TIMEOUT = 10.0  # seconds for an event as a whole
MAX_IDLE = 20.0  # seconds; receivers, and proxies before them, close idle connections later than that
QUIET = 5.0  # seconds without attempts after one that got no answer: events must not wait for each other's time-outs


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
        self._name = parts.netloc.rpartition("@")[2]
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._tls = client_context() if parts.scheme == "https" else None
        self._timeout, self._clock = timeout, clock
        self._idle: deque[_Connection] = deque()
        self._quiet_until = 0.0

    def post(self, content: bytes, headers: dict[str, str]) -> Reply:
        """Post once, and say what became of it; while the receiver gives no answers, at once. Never raises."""
        if self._clock() < self._quiet_until:
            return Reply(taken=False, why="gave no answer a moment ago")
        try:
            return self._post(content, headers, Deadline(self._timeout, self._clock))
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._quiet_until = self._clock() + QUIET
            why = "gave no answer in time" if isinstance(error, TimeoutError) else "cannot be reached"
            return Reply(taken=False, why=f"{why} ({type(error).__name__})")

    def close(self) -> None:
        """Close the connections that nobody uses at the moment."""
        while kept := self._take_kept():
            kept.close()

    def _post(self, content: bytes, headers: dict[str, str], deadline: Deadline) -> Reply:
        if kept := self._take_kept():
            try:
                return self._exchange(kept, content, headers, deadline)
            except (ConnectionError, http.client.BadStatusLine):  # it was closed just now, so a new one is tried
                kept.close()
        return self._exchange(self._connect(deadline), content, headers, deadline)

    def _exchange(
        self, connection: _Connection, content: bytes, headers: dict[str, str], deadline: Deadline
    ) -> Reply:
        try:
            connection.sock.settimeout(deadline.left())
            connection.deadline = deadline
            own = {"Host": self._name, "Content-Type": "application/json", "User-Agent": "otp-app"}
            connection.request("POST", self._target, content, own | headers)
            answer = connection.getresponse()
        except BaseException:
            connection.close()
            raise
        reply = _reply(answer.status, answer.headers.get("Retry-After", ""))
        if _is_read_to_its_end(answer) and not answer.will_close:
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
            if self._clock() - connection.idle_since < MAX_IDLE:
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


class _Connection(http.client.HTTPConnection):
    """A connection that is open, whose answers have a deadline."""

    deadline: Deadline
    idle_since = 0.0
    auto_open = 0

    def __init__(self, sock: socket.socket | ssl.SSLSocket) -> None:
        super().__init__("receiver")
        self.sock: Any = sock
        self.response_class = self._response  # type: ignore[assignment]  # it is only called

    def _response(self, sock: socket.socket, **options: Any) -> http.client.HTTPResponse:
        return http.client.HTTPResponse(DeadlineReader(sock, self.deadline), **options)  # type: ignore[arg-type]


def _is_read_to_its_end(answer: http.client.HTTPResponse) -> bool:
    """Read the body, of which nothing is needed, up to its limit. The status counts, whatever comes after it."""
    try:
        answer.read(MAX_ANSWER)
        return answer.isclosed()
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        answer.close()


def _reply(status: int, retry_after: str) -> Reply:
    if 200 <= status < 300:
        return Reply(taken=True)
    seconds = float(retry_after) if retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 9 else 0.0
    redirect = ", a redirect, which is not followed" if 300 <= status < 400 else ""
    return Reply(taken=False, why=f"answered {status}{redirect}", retry_after=seconds, gone=status == 410)
