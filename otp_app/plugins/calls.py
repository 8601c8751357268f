"""Calls with a time limit: each on its own thread, since Python cannot end a call that hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from typing import TypeVar

from otp_app.plugins.isolation import PluginFault, isolated

Answer = TypeVar("Answer")


class NoRoom(Exception):
    """This call was not made. The text says why."""


class Overdue(Exception):
    """The call has not returned in time. It still runs."""


class Calls:
    """Makes calls of an operator's code, at most `at_once` at the same time, and waits `timeout` seconds for each.

    A call that hangs keeps its thread and its place. While all places are kept so, further calls fail at once.
    """

    def __init__(self, name: str, timeout: float, at_once: int) -> None:
        self._name, self._timeout, self._at_once = name, timeout, at_once
        self._room, self._lock = threading.BoundedSemaphore(at_once), threading.Lock()
        self._hanging = 0

    def make(self, call: Callable[[], Answer]) -> Answer:
        """Return what the call returns. Raises PluginFault, NoRoom, Overdue."""
        end = time.monotonic() + self._timeout
        if not self._room.acquire(timeout=0 if self._hanging >= self._at_once else self._timeout):
            raise NoRoom(f"{self._at_once} calls before have not returned")
        answer: Future[Answer] = Future()
        self._begin(call, answer)
        try:
            return answer.result(max(end - time.monotonic(), 0))
        except TimeoutError:
            if answer.done():  # at the last moment
                return answer.result()
            self._give_up(answer)
            raise Overdue from None

    @property
    def full(self) -> bool:
        """Whether no call can begin just now."""
        if self._room.acquire(blocking=False):
            self._room.release()
            return False
        return True

    def _begin(self, call: Callable[[], Answer], answer: Future[Answer]) -> None:
        def run() -> None:
            try:
                answer.set_result(isolated(call))
            except PluginFault as fault:
                answer.set_exception(fault)
            finally:
                self._room.release()

        try:  # a daemon: the process does not wait for it at its end
            threading.Thread(target=copy_context().run, args=(run,), name=self._name, daemon=True).start()
        except RuntimeError as error:
            self._room.release()
            raise NoRoom("the system has no further thread") from error

    def _give_up(self, answer: Future[Answer]) -> None:
        with self._lock:
            self._hanging += 1
        answer.add_done_callback(self._came_back)

    def _came_back(self, _answer: object) -> None:
        with self._lock:
            self._hanging -= 1
