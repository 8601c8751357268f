"""Deletes the entries of a store whose lifetime has ended."""

from __future__ import annotations

import threading

from otp_app.core.errors import StoreUnavailable
from otp_app.core.store import Store
from otp_app.logs import log

SWEEP_EVERY, SWEEP_AT_MOST = 30.0, 1000  # seconds, entries


class Sweeper:
    """Deletes ended entries in small batches, beside the requests."""

    def __init__(self, store: Store) -> None:
        self._store, self._end = store, threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        pause = SWEEP_EVERY
        while not self._end.wait(pause):
            try:
                gone = self._store.sweep(SWEEP_AT_MOST)
            except StoreUnavailable as error:
                log.warning("sweep: %s", error)
                gone = 0
            pause = SWEEP_EVERY if gone < SWEEP_AT_MOST else 0.1
