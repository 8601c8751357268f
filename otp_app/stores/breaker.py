"""A breaker: while a server does not answer, one caller at a time finds out whether it does again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from otp_app.core.errors import StoreUnavailable

PAUSE = 0.2  # seconds after a fault in which nobody tries


class Breaker:
    """Refuses at once what would only wait: a server that hangs must not hold every thread for a time-out each."""

    def __init__(self, faults: tuple[type[Exception], ...]) -> None:
        self._faults = faults  # those that mean: it does not answer
        self._down_until: float | None = None
        self._trying = Lock()

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Surround a call of the server. Raises StoreUnavailable without one while the server is away."""
        if self._down_until is None:
            with self._watching():
                yield
            return
        if time.monotonic() < self._down_until or not self._trying.acquire(blocking=False):
            raise StoreUnavailable("The store is not available (it did not answer just now)")
        try:
            with self._watching():
                yield
            self._down_until = None
        finally:
            self._trying.release()

    @contextmanager
    def _watching(self) -> Iterator[None]:
        try:
            yield
        except self._faults:
            self._down_until = time.monotonic() + PAUSE
            raise
