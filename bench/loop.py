"""A bare event loop over epoll: the load and the stand-in share it, so neither waits for a thread of the other."""

from __future__ import annotations

import heapq
import itertools
import select
import socket
from collections.abc import Callable
from time import perf_counter

Callback = Callable[[], None]


class Loop:
    """Calls back when a socket can be read and when a delay is over, on the thread that runs it."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._readers: dict[int, Callback] = {}
        self._timers: list[tuple[float, int, Callback]] = []
        self._order = itertools.count()
        self._running = False

    def read(self, sock: socket.socket, callback: Callback) -> None:
        """Call back whenever the socket has something to read or is closed by the other side."""
        self._readers[sock.fileno()] = callback
        self._epoll.register(sock.fileno(), select.EPOLLIN)

    def close(self, sock: socket.socket) -> None:
        """Stop watching a socket and close it."""
        self._epoll.unregister(sock.fileno())
        del self._readers[sock.fileno()]
        sock.close()

    def later(self, seconds: float, callback: Callback) -> None:
        """Call back once, after that many seconds."""
        heapq.heappush(self._timers, (perf_counter() + seconds, next(self._order), callback))

    def run(self) -> None:
        """Serve until stop() is called."""
        self._running = True
        while self._running:
            for fd, _ in self._epoll.poll(self._patience()):
                # A socket that an earlier callback of this batch closed is no longer there.
                if callback := self._readers.get(fd):
                    callback()
            self._fire()

    def stop(self) -> None:
        """Let run() return."""
        self._running = False

    def _patience(self) -> float:
        return max(0.0, self._timers[0][0] - perf_counter()) if self._timers else 1.0

    def _fire(self) -> None:
        while self._timers and self._timers[0][0] <= perf_counter():
            heapq.heappop(self._timers)[2]()
