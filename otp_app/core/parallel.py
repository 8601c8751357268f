"""Many small calls at once: by the caller's own thread, and by others that help while there are some to spare."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class Helpers:
    """Threads that help callers, at most `most` at the same time for all of them.

    A caller does its calls itself where none is to spare, or where the system has no further thread: it takes longer.
    """

    def __init__(self, most: int) -> None:
        self._places = threading.BoundedSemaphore(most)

    def each(self, call: Callable[[int], Answer], count: int, at_once: int) -> list[Answer]:
        """Return what the call returns for 0 … count-1, at most `at_once` of them at the same time.

        Raises what one of them raised; some of the later ones are not made then.
        """
        turns, threads = _Turns(call, count), list[threading.Thread]()
        more = True
        while more:
            threads += self._begin(turns, min(at_once - 1 - len(threads), turns.left() - 1))
            more = turns.take()  # one only, since by then another caller's helpers may be free
        for thread in threads:
            thread.join()
        if turns.faults:
            raise turns.faults[0]
        return [turns.answers[n] for n in range(count)]

    def _begin(self, turns: _Turns[Answer], count: int) -> Iterator[threading.Thread]:
        for _ in range(count):
            if not self._places.acquire(blocking=False):
                return
            thread = threading.Thread(target=copy_context().run, args=(self._help, turns), name="helper")
            try:
                thread.start()
            except RuntimeError:  # the system has no further thread
                self._places.release()
                return
            yield thread

    def _help(self, turns: _Turns[Answer]) -> None:
        while turns.take():
            pass
        self._places.release()


class _Turns(Generic[Answer]):
    """The calls of one caller, which threads take in turn."""

    def __init__(self, call: Callable[[int], Answer], count: int) -> None:
        self._call, self._left = call, list(reversed(range(count)))
        self.answers: dict[int, Answer] = {}
        self.faults: list[BaseException] = []

    def left(self) -> int:
        """Return how many calls are not yet begun."""
        return len(self._left)

    def take(self) -> bool:
        """Make one call; return whether another one may be made."""
        try:
            n = self._left.pop()  # atomic, as that of every list
        except IndexError:
            return False
        try:
            self.answers[n] = self._call(n)
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            self.faults.append(error)
        return not self.faults
