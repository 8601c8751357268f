"""The load: connections that ask, read the whole answer and ask again, without a pause (a closed loop)."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from math import inf
from time import perf_counter, process_time

from loop import Loop

Answer = tuple[int, bytes]  # status and body
Turn = Generator[bytes, Answer, str]  # yields requests, is sent their answers, returns what was wrong ("": nothing)
Clocks = Callable[[], tuple[float, float, float]]  # so far: CPU seconds of the server, of the machine; its switches

WARM = 1.0  # seconds of load before anything is counted
OVERDUE = 30.0  # seconds that the last answers may take


@dataclass
class Figures:
    """What one load saw between its warm-up and its end."""

    rate: float  # turns a second
    p50: float  # milliseconds
    p99: float
    server_cpu: float  # microseconds of CPU that the server spent on a turn
    switches: float  # how often a thread of the server gave up its CPU by itself, for a turn
    load_cpu: float  # share of one CPU that the load and the stand-in took
    other_cpu: float  # CPUs that everything else on the machine took
    turns: int  # all of them, warm-up and the last ones in flight included
    problems: dict[str, int]  # what was wrong with an answer, and how often


class Load:
    """Drives a server with `connections` turns at a time for WARM + `seconds`, or until the turns are used up."""

    def __init__(self, loop: Loop, port: int, turns: Iterator[Turn], connections: int, seconds: float,
                 clocks: Clocks) -> None:
        self.loop, self.port, self.turns = loop, port, turns
        self._connections, self._seconds, self._clocks = connections, seconds, clocks
        self._latencies: list[float] = []
        self._problems: Counter[str] = Counter()
        self._begin = self._end = inf
        self._turns = self._open = 0

    def run(self) -> Figures:
        """Return the figures. TimeoutError: the server left a request without an answer."""
        self.drive()
        return self._figures()

    def drive(self) -> Counter[str]:
        """Do all turns and return what was wrong with them."""
        self._open = self._connections
        self.loop.later(WARM, self._begin_counting)
        self.loop.later(WARM + self._seconds, self._end_counting)
        self.loop.later(WARM + self._seconds + OVERDUE, self._overdue)
        for _ in range(self._connections):
            Connection(self).begin()
        self.loop.run()
        return self._problems

    def finished(self, connection: Connection, problem: str) -> None:
        """Count one turn and give the connection its next, while there is time."""
        now = perf_counter()
        self._turns += 1
        if problem:
            self._problems[problem] += 1
        if self._begin <= now < self._end:
            self._latencies.append(now - connection.started)
        if now < self._end:
            connection.begin()
        else:
            self.retire(connection)

    def retire(self, connection: Connection) -> None:
        """Close a connection that has no more to do; the last one ends the load."""
        self._end_counting()
        connection.close()
        self._open -= 1
        if not self._open:
            self.loop.stop()

    def _begin_counting(self) -> None:
        self._before = (*self._clocks(), process_time())
        self._begin = perf_counter()

    def _end_counting(self) -> None:
        if self._end == inf:
            self._end = perf_counter()
            self._after = (*self._clocks(), process_time())

    def _overdue(self) -> None:
        if self._open:
            raise TimeoutError(f"{self._open} of {self._connections} connections still wait for their answer")

    def _figures(self) -> Figures:
        wall = self._end - self._begin
        spent = (after - before for before, after in zip(self._before, self._after, strict=True))
        server, machine, switches, load = spent
        others = max(0.0, (machine - server - load) / wall)
        ranked = sorted(self._latencies)
        count = len(ranked)
        return Figures(count / wall, 1e3 * ranked[count // 2], 1e3 * ranked[count * 99 // 100], 1e6 * server / count,
                       switches / count, load / wall, others, self._turns, dict(self._problems))


class Connection:
    """One kept-alive connection, with one request on its way at most."""

    def __init__(self, load: Load) -> None:
        self.started = 0.0  # when the turn began
        self._load = load
        self._connect()

    def begin(self) -> None:
        """Start the next turn."""
        turn = next(self._load.turns, None)
        if turn is None:
            self._load.retire(self)
            return
        self._turn = turn
        self.started = perf_counter()
        self._socket.send(next(turn))

    def close(self) -> None:
        """Hang up."""
        self._load.loop.close(self._socket)

    def _connect(self) -> None:
        self._received = b""
        self._socket = socket.create_connection(("127.0.0.1", self._load.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._load.loop.read(self._socket, self._readable)

    def _readable(self) -> None:
        data = self._receive()
        if not data:
            self.close()
            self._connect()
            self._load.finished(self, "closed without an answer")
            return
        self._received += data
        answer = parse_answer(self._received)
        if answer:
            self._received = b""
            self._go_on(answer)

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(65536)
        except ConnectionResetError:
            return b""

    def _go_on(self, answer: Answer) -> None:
        try:
            self._socket.send(self._turn.send(answer))
        except StopIteration as end:
            self._load.finished(self, end.value)


def parse_answer(data: bytes) -> Answer | None:
    """Return status and body, or None while the answer is not complete."""
    end = data.find(b"\r\n\r\n") + 4
    if end < 4:
        return None
    head = data[:end].lower()
    length = int(head[head.index(b"content-length:") + 15 :].split(b"\r\n", 1)[0])
    return (int(data[9:12]), data[end:]) if len(data) >= end + length else None
