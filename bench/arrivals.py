"""Load at set times (an open loop): a slow answer delays no later request, and its whole delay counts."""

from __future__ import annotations

import socket
from collections import Counter, defaultdict
from collections.abc import Iterator
from time import perf_counter
from typing import NamedTuple

from load import OVERDUE, parse_answer
from loop import Loop


class Request(NamedTuple):
    """One request of the load."""

    kind: str
    content: bytes
    status: int  # that must be answered
    part: bytes = b""  # of the body that must be answered


class Arrivals:
    """Sends requests when it is time, each on a connection that is free or new; all have been answered at the end."""

    def __init__(self, loop: Loop, port: int) -> None:
        self.loop, self._port = loop, port
        self.latencies: dict[str, list[float]] = defaultdict(list)  # seconds from the time to the answer, by kind
        self.problems: Counter[str] = Counter()
        self.latest = 0.0  # seconds that the load itself was late at most
        self._free: list[_Connection] = []
        self._all: list[_Connection] = []
        self._waiting = 0

    def run(self, requests: Iterator[tuple[float, Request]]) -> None:
        """Send each request so many seconds from now, in their order. Raises TimeoutError: one was not answered."""
        self._waiting = 1  # for the end of the requests
        self._begin = perf_counter()
        self._requests = requests
        self._next()
        self.loop.run()
        for connection in self._all:
            connection.close()

    def answered(self, connection: _Connection, problem: str) -> None:
        """Count an answer."""
        self._free.append(connection)
        self.latencies[connection.request.kind].append(perf_counter() - connection.due)
        if problem:
            self.problems[f"{connection.request.kind}: {problem}"] += 1
        self._end_one()

    def closed(self, connection: _Connection) -> None:
        """Forget a connection that the server closed."""
        self._all.remove(connection)
        if connection in self._free:
            self._free.remove(connection)
            return
        self.problems[f"{connection.request.kind}: closed without an answer"] += 1
        self._end_one()

    def _next(self) -> None:
        now = perf_counter() - self._begin
        for at, request in self._requests:
            if at > now:
                self.loop.later(at - now, lambda at=at, request=request: self._go_on(at, request))
                return
            self._send(at, request)
            now = perf_counter() - self._begin
        self.loop.later(OVERDUE, self._overdue)
        self._end_one()

    def _go_on(self, at: float, request: Request) -> None:
        self._send(at, request)
        self._next()

    def _send(self, at: float, request: Request) -> None:
        self.latest = max(self.latest, perf_counter() - self._begin - at)
        self._waiting += 1
        if not self._free:
            self._free.append(_Connection(self, self._port))
            self._all.append(self._free[-1])
        self._free.pop().send(request, self._begin + at)

    def _end_one(self) -> None:
        self._waiting -= 1
        if not self._waiting:
            self.loop.stop()

    def _overdue(self) -> None:
        if self._waiting:
            raise TimeoutError(f"{self._waiting} requests still wait for their answer")


class _Connection:
    """One kept-alive connection, with one request on its way at most."""

    def __init__(self, arrivals: Arrivals, port: int) -> None:
        self._arrivals, self._received = arrivals, b""
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        arrivals.loop.read(self._socket, self._readable)

    def send(self, request: Request, due: float) -> None:
        """Send a request that was due at this time."""
        self.request, self.due = request, due
        self._socket.send(request.content)

    def close(self) -> None:
        """Hang up."""
        self._arrivals.loop.close(self._socket)

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(65536)
        except ConnectionResetError:
            return b""

    def _readable(self) -> None:
        if not (data := self._receive()):
            self.close()
            self._arrivals.closed(self)
            return
        self._received += data
        if self._received[9:12] == b"204":  # it has no body, and no length
            answer = (204, b"") if b"\r\n\r\n" in self._received else None
        else:
            answer = parse_answer(self._received)
        if answer:
            self._received = b""
            is_right = answer[0] == self.request.status and self.request.part in answer[1]
            self._arrivals.answered(self, "" if is_right else f"{answer[0]} {answer[1][:80].decode(errors='replace')}")
