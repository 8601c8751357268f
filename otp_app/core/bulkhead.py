"""A bound on the sends that run at once: while they wait for a provider, threads stay free for other requests."""

from __future__ import annotations

from threading import BoundedSemaphore

from otp_app.core.errors import Overloaded

RETRY_AFTER = 1.0  # seconds; a send that waits for its provider takes a few


class Bulkhead:
    """A number of places. A send that finds none fails at once, before anything is counted or stored."""

    def __init__(self, places: int) -> None:
        self._places = BoundedSemaphore(places)

    def enter(self) -> None:
        """Take a place, for which `leave` must be called. Raises Overloaded."""
        if not self._places.acquire(blocking=False):
            raise Overloaded("Too many messages are being sent at this moment", RETRY_AFTER)

    def leave(self) -> None:
        """Give the place back."""
        self._places.release()
