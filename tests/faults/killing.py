"""A store that kills its own process at a chosen moment: between a commit and whatever should come after it.

OTP_STORE_URL=tests.faults.killing:KillingStore?database=FILE&trigger=FILE. The trigger file, once a test has written
it, says at which swap from then on, and on which side of it: "before 1", "after 2".
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from urllib.parse import parse_qs

from otp_app.core.store import Swap
from otp_app.stores.sqlite.store import SqliteStore


class KillingStore(SqliteStore):
    """The SQLite store with a kill point around each swap."""

    def __init__(self, url: str, clock: Callable[[], float]) -> None:
        options = {name: values[0] for name, values in parse_qs(url.partition("?")[2]).items()}
        super().__init__(f"sqlite:///{options['database']}", clock=clock)
        self._trigger, self._swaps, self._counting = Path(options["trigger"]), 0, Lock()

    def swap(self, key: str, old: bytes | None, new: bytes | None, ttl: float) -> Swap:
        """Do the swap, unless this is where the process dies; or die right after it."""
        number = self._number()
        self._die_at(f"before {number}")
        done = super().swap(key, old, new, ttl)
        self._die_at(f"after {number}")
        return done

    def _number(self) -> int:
        """How many swaps there were since the trigger was set, this one included."""
        with self._counting:
            self._swaps = self._swaps + 1 if self._trigger.exists() else 0
            return self._swaps

    def _die_at(self, moment: str) -> None:
        if self._swaps and self._trigger.read_text() == moment:
            self._trigger.unlink()  # the next worker lives
            os.kill(os.getpid(), signal.SIGKILL)
