"""A circuit breaker: while a server does not answer, only one caller at a time asks whether it does again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from otp_app.core.errors import StoreUnavailable

PAUSE = 0.2  # seconds without calls after a fault


class Breaker:
    """Fails calls at once that would only wait: a server that hangs must not hold every thread for a time-out.

    `faults` mean that the server does not answer; every other exception is an answer. `clock` is never set back.
    """

    def __init__(self, faults: tuple[type[Exception], ...], clock: Callable[[], float] = time.monotonic) -> None:
        self._faults, self._clock = faults, clock
        self._down_until: float | None = None
        self._trying = Lock()

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Surround a call of the server. Raises StoreUnavailable, without a call, while the server does not answer."""
        until = self._down_until  # read once: another thread may find the server back at any moment
        if until is None:
            with self._watching():
                yield
            return
        if self._clock() < until or not self._trying.acquire(blocking=False):
            raise StoreUnavailable("The store is not available (it did not answer just now)")
        try:
            with self._watching():
                yield
        finally:
            if self._down_until == until:  # no new fault
                self._down_until = None
            self._trying.release()

    @contextmanager
    def _watching(self) -> Iterator[None]:
        try:
            yield
        except self._faults:
            self._down_until = self._clock() + PAUSE
            raise
