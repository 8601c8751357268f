"""HTTP for Twilio: connections stay open, one deadline for a whole request, no copy of it is kept."""

from __future__ import annotations

import re
import socket
import time
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from urllib.parse import SplitResult, quote_plus, urlencode, urlsplit

from otp_app.channels.twilio.answers import Answer, TransportError, Unanswered, read_answer
from otp_app.connections import tls
from otp_app.connections.deadline import Deadline
from otp_app.connections.tcp import Idle, dial

CONNECT_TIMEOUT = 3.0  # seconds, TLS included
MAX_IDLE = 20.0  # seconds; Twilio, and proxies before it, close idle connections later than that
THROTTLE_RETRIES = 2
THROTTLE_PAUSE = 0.5  # seconds, where the answer names none

Connect = Callable[[str, int, float], socket.socket]


class NotSent(TransportError):
    """There was no connection, so not one byte of the request has left."""


class Throttled(TransportError):
    """The last answer was 429, so no request was processed. `retry_after`: the seconds that it named."""

    def __init__(self, answer: str, retry_after: float | None) -> None:
        super().__init__("Twilio answered 429, too many requests")
        self.answer, self.retry_after = answer, retry_after


class Connection:
    """One connection to Twilio, used for one request after the other."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock, self._idle = sock, Idle(sock)
        self.is_quiet = self._idle.is_quiet
        self.idle_since = 0.0

    def exchange(self, request: bytes, deadline: Deadline) -> Answer:
        """Send a request and read its answer. After an exception the server may have processed it or not."""
        self._sock.settimeout(deadline.left())
        self._sock.sendall(request)
        # TLS would try to read before it waits, in vain.
        self._idle.wait(deadline.left())
        return read_answer(self._sock, deadline)

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()


class Transport:
    """An HTTP client for Twilio, for any number of threads.

    Each request ends within `timeout` seconds, including waits and retries; only the system's resolver has other
    limits. A request is sent again only where it certainly was not processed: once when there was no connection,
    twice after a 429. Redirects are never followed. Certificates are checked against the system's, or SSL_CERT_FILE's.
    """

    def __init__(
        self,
        timeout: float,
        pool_size: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        connect: Connect | None = None,
    ) -> None:
        self._timeout, self._pool_size, self._clock, self._sleep = timeout, pool_size, clock, sleep
        self._connect = connect or dial
        self._tls = tls.shared_context()
        self._idle: dict[tuple[str, str], deque[Connection]] = {}

    def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, object] | None = None,
        data: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> Answer:
        """Return an answer of 2xx or 4xx. After NotSent and Throttled nothing was sent; else it may have been."""
        deadline = Deadline(self._timeout, self._clock)
        origin = urlsplit(url)
        request = _encode(method, origin, params, data, headers or {}, auth)
        for retries in reversed(range(THROTTLE_RETRIES + 1)):
            answer = self._exchange(origin, request, deadline)
            if answer.status != 429:
                break
            self._pause(answer, deadline, retries)
        if answer.status // 100 not in (2, 4):  # not left to the SDK, which takes an error body's word for the status
            raise Unanswered(f"Twilio answered HTTP {answer.status}")
        return answer

    def close(self) -> None:
        """Close the idle connections."""
        for idle in self._idle.values():
            while idle:
                idle.pop().close()

    def _pause(self, answer: Answer, deadline: Deadline, retries: int) -> None:
        retry_after = _seconds(answer.retry_after)
        pause = THROTTLE_PAUSE if retry_after is None else retry_after
        if not retries or not deadline.allows(pause):
            raise Throttled(answer.text, retry_after)
        self._sleep(pause)

    def _exchange(self, origin: SplitResult, request: bytes, deadline: Deadline) -> Answer:
        # A deque's append and pop are atomic, so the pool needs no lock.
        idle = self._idle.setdefault(origin[:2], deque())
        connection = self._take(idle) or self._open(origin, deadline)
        reusable = False
        try:
            answer = connection.exchange(request, deadline)
            reusable = answer.reusable
        finally:
            if reusable:
                self._give_back(connection, idle)
            else:
                connection.close()
        return answer

    def _take(self, idle: deque[Connection]) -> Connection | None:
        """Return the connection that was used last: so in quiet times the others grow old, and go."""
        oldest = self._clock() - MAX_IDLE
        while True:
            try:
                connection = idle.pop()
            except IndexError:
                return None
            if connection.idle_since >= oldest and connection.is_quiet():
                return connection
            connection.close()

    def _give_back(self, connection: Connection, idle: deque[Connection]) -> None:
        connection.idle_since = self._clock()
        idle.append(connection)
        with suppress(IndexError):  # other threads took them all
            while len(idle) > self._pool_size or connection.idle_since - idle[0].idle_since > MAX_IDLE:
                idle.popleft().close()

    def _open(self, origin: SplitResult, deadline: Deadline) -> Connection:
        try:
            return self._open_once(origin, deadline)
        except NotSent:
            return self._open_once(origin, deadline)

    def _open_once(self, origin: SplitResult, deadline: Deadline) -> Connection:
        host = origin.hostname or ""
        try:
            limit = Deadline(min(CONNECT_TIMEOUT, deadline.left()), self._clock)
            sock = self._connect(host, origin.port or (443 if origin.scheme == "https" else 80), limit.left())
            if origin.scheme == "https":
                sock.settimeout(limit.left())
                sock = self._tls.wrap_socket(sock, server_hostname=host)
        except (OSError, UnicodeError) as error:
            raise NotSent(f"No connection to {host}: {type(error).__name__}: {error}") from error
        return Connection(sock)


def _encode(
    method: str,
    url: SplitResult,
    params: Mapping[str, object] | None,
    data: Mapping[str, object] | None,
    headers: Mapping[str, str],
    auth: tuple[str, str] | None,
) -> bytes:
    """Return the whole request, its body a form, as one piece: one system call, one packet, one TLS record."""
    target = (url.path or "/") + (f"?{_form(params)}" if params else "")
    body = _form(data or {})
    head = _head(method, target, url.netloc, tuple(headers.items()), auth)
    return f"{head}{len(body)}\r\n\r\n{body}".encode("latin-1")


@lru_cache(16)  # all messages have the same
def _head(
    method: str, target: str, host: str, headers: tuple[tuple[str, str], ...], auth: tuple[str, str] | None
) -> str:
    """Return the head of a request up to the length of its body."""
    lines = [f"{method} {target} HTTP/1.1"]
    fields = {"Host": host, "Accept-Encoding": "identity", **dict(headers)}
    if auth:
        fields["Authorization"] = f"Basic {b64encode(':'.join(auth).encode()).decode()}"
    lines += [f"{name}: {value}" for name, value in fields.items()]
    return "\r\n".join([*lines, "Content-Length: "])


def _form(fields: Mapping[str, object]) -> str:
    """Return a form as the SDK writes it: the elements of a list are values of one name."""
    if any(isinstance(value, list | tuple) for value in fields.values()):
        return urlencode(fields, doseq=True)
    return "&".join([f"{_name(name)}={quote_plus(str(value))}" for name, value in fields.items()])


_name = lru_cache(64)(quote_plus)  # of the parameters; their values are not remembered


def _seconds(retry_after: str | None) -> float | None:
    return float(retry_after) if retry_after and re.fullmatch("[0-9]{1,6}", retry_after) else None
