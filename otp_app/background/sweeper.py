"""Deletes what a store need not keep: entries whose lifetime has ended, and idempotency keys that must be free."""

from __future__ import annotations

import threading

from otp_app.core.errors import StoreUnavailable
from otp_app.core.idempotency import IdempotentSends
from otp_app.core.store import Store
from otp_app.system.logs import log

SWEEP_EVERY = 10.0  # seconds: a key is free before the lease of its send has ended, if the store is back by then
SWEEP_AT_MOST = 1000  # entries


class Sweeper:
    """Deletes ended entries in small batches, and frees keys that the store could not free, beside the requests."""

    def __init__(self, store: Store, idempotent: IdempotentSends) -> None:
        self._store, self._idempotent, self._end = store, idempotent, threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        pause = SWEEP_EVERY
        while not self._end.wait(pause):
            self._idempotent.free_left()
            try:
                gone = self._store.sweep(SWEEP_AT_MOST)
            except StoreUnavailable as error:
                log.warning("sweep: %s", error)
                gone = 0
            pause = SWEEP_EVERY if gone < SWEEP_AT_MOST else 0.1
