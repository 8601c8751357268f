"""Clients that go on proving numbers while a test does its worst to the server, and judge what they saw."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar

from tests.history import Event, History, check
from tests.phones import fresh_numbers
from tests.provider import Provider
from tests.running import RunningServer, wait_until

Answer = TypeVar("Answer")

#: How many wrong attempts come before the right one, in turn: none, an honest typo, the last try, one too many.
_WRONG_FIRST = (0, 1, 0, 4, 0, 5)
_PAUSE = 0.05  # seconds before a client goes on after a send that was not accepted


def at_once(count: int, do: Callable[[int], Answer]) -> list[Answer]:
    """Call `do` with 0 … count-1 from as many threads, all starting at the same moment."""
    start = threading.Barrier(count)

    def one(number: int) -> Answer:
        start.wait()
        return do(number)

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(one, range(count)))


def other_code(code: str, distance: int = 1) -> str:
    """A code of the same length that is not this one."""
    return f"{(int(code) + distance) % 10 ** len(code):0{len(code)}d}"


class Clients:
    """Calls to one server, all kept in a history. As a context, threads that go on by themselves until it ends."""

    def __init__(self, server: RunningServer, provider: Provider, threads: int = 6) -> None:
        self.server, self.provider, self.history = server, provider, History()
        self.numbers: Iterator[str] = fresh_numbers()
        self._turns = itertools.cycle(_WRONG_FIRST)
        self._lock, self._end = threading.Lock(), threading.Event()
        self._threads = [threading.Thread(target=self._go_on, daemon=True) for _ in range(threads)]

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def send(self, number: str, path: str = "/send-otp") -> Event:
        """Ask for a code."""
        return self.history.record("send", number, "", lambda: self.server.post(path, {"phone_number": number}))

    def attempt(self, number: str, code: str) -> Event:
        """Check a code."""
        body = {"phone_number": number, "otp": code}
        return self.history.record("check", number, code, lambda: self.server.post("/verify-otp", body))

    def status(self, number: str, verification_id: str) -> Event:
        """Ask what became of a verification."""
        path = f"/verifications/{verification_id}"
        return self.history.record("status", number, verification_id, lambda: self.server.call("GET", path))

    def next_number(self) -> str:
        """A number that nobody used."""
        with self._lock:
            return next(self.numbers)

    def done(self) -> int:
        """How many calls ended so far."""
        return len(self.history.events)

    def wait_for(self, calls: int) -> None:
        """Return after so many more calls have been answered."""
        answered = self._answered()
        wait_until(lambda: self._answered() >= answered + calls, f"{calls} answered calls", 120)

    def faults(self) -> list[str]:
        """What the history, the provider's log, the server's log and its files say against the server."""
        files = {path.name: path.read_bytes() for path in self.server.folder.iterdir() if path.is_file()}
        return check(self.history.events, self.provider.posts, files)

    def _answered(self) -> int:
        return sum(event.status is not None for event in list(self.history.events))

    def _go_on(self) -> None:
        while not self._end.is_set():
            self._prove(self.next_number())

    def _prove(self, number: str) -> None:
        """One number: a send, some wrong attempts, the right one twice, and what the server says of it afterwards."""
        sent = self.send(number)
        if not sent.accepted:
            time.sleep(_PAUSE)
        code = self.provider.code_for(number)
        if code is None:
            return
        with self._lock:
            wrong = next(self._turns)
        for distance in range(1, wrong + 1):
            self.attempt(number, other_code(code, distance))
        approved = any([self.attempt(number, code).accepted, self.attempt(number, code).accepted])
        if approved and sent.verification:
            self.status(number, sent.verification)
