"""The recorder: takes changes from requests, which do not wait for it, and has one thread write what has ended.

What is in memory is lost where the process is killed, so whoever begins reads the store again, and so does whoever
finds that another writer is gone (catching_up.py). A row is written more than once then, and there is one of each id.
"""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from otp_app.core.delivery import Channel
from otp_app.core.endings import Ending
from otp_app.core.errors import StoreUnavailable
from otp_app.core.instant import Clock, Instant
from otp_app.core.ledger import Ledger, Status
from otp_app.core.notification import Notification
from otp_app.core.policy import HOUR
from otp_app.core.store import Store
from otp_app.history.catching_up import Reading, ledger_in
from otp_app.history.database import Database
from otp_app.history.gathering import Change, Gathered
from otp_app.history.rows import Numbers
from otp_app.history.writing import MOST_AT_ONCE, forget_old, write
from otp_app.system.logs import log

TURN = 0.5  # seconds between two looks at what has changed: several changes of one verification are one row
READING = 0.01  # seconds between two looks while the store is read
MOST_READ = 200  # records and verifications at a time: some milliseconds, as requests share the processor
LOOK_EVERY = 5.0  # seconds between two looks for what has expired
MOST_LOOKED_AT = 500  # at a time
FORGET_EVERY = HOUR  # seconds between two deletions of old rows
PAUSES = (1.0, 5.0, 30.0)  # seconds while the database is away; the last one repeats
AGAIN_AFTER = 900.0  # seconds after which the store is read for what did not fit: the pending ones have ended by then
MOST_CHANGES = 4_000  # that wait for the thread: some MiB
LONGEST_END = 3.0  # seconds that the end of a process waits for the last rows


class Counts(NamedTuple):
    """What a recorder has done, for metrics."""

    written: int  # rows, again where more was known
    waiting: int  # changes and rows
    lost: int  # rows that waited too long, if they were not written before
    is_available: bool  # whether the database took the last ones


class Recorder:
    """Keeps a history. It is a core.journal.Recorder: `changed` takes a microsecond."""

    def __init__(
        self,
        store: Store,
        database: Database,
        numbers: Numbers,
        *,
        channels: Sequence[Channel],
        clock: Clock,
        retention: float,
    ) -> None:
        """`retention`: seconds for which rows are kept."""
        self._store, self.database, self.numbers = store, database, numbers
        self._clock, self._retention = clock, retention
        self._changes: deque[Change] = deque()
        self._gathered = Gathered(channels)
        self._reading = Reading(
            store, database, name=secrets.token_hex(8), key=numbers.mark, channels=channels, clock=clock
        )
        self._looked = self._forgot = 0.0  # wall clock
        self._written = self._failures = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)

    def takes(self, before: Ledger | Notification | None, after: Ledger | Notification) -> bool:
        """Return whether a change begins or ends something: what stays pending is looked at when its life is over."""
        if isinstance(after, Notification):
            return after.ended_at is not None
        if not isinstance(before, Ledger) or before.gone or after.gone:
            return True
        if len(before.verifications) != len(after.verifications):
            return True
        for then, now in zip(before.verifications, after.verifications, strict=True):
            if now is not then and (now.status != Status.PENDING or now.id != then.id):
                return True
        return False

    def changed(self, key: str, before: Ledger | Notification | None, after: Ledger | Notification) -> None:
        """Take a change that is stored."""
        if len(self._changes) < MOST_CHANGES:
            self._changes.append((key, before, after))
        else:
            self._gathered.left_out = True

    def doubted(self) -> None:
        """Have the store read again, in a while: it may have made a change that nobody was told of."""
        self._gathered.left_out = True

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def close(self) -> None:
        """End the thread, which writes what has ended if that can be done at once. Others come to the rest."""
        self._stop.set()
        if self._thread.ident:
            self._thread.join(LONGEST_END)
        if not self._thread.is_alive():
            self.database.close()

    def counts(self) -> Counts:
        """Return what was done so far."""
        waiting = len(self._changes) + len(self._gathered.endings)
        return Counts(self._written, waiting, self._gathered.lost, is_available=not self._failures)

    def turn(self) -> float:
        """Do what there is to do now, and return the seconds until the next turn. Raises faults of ours only."""
        now = self._clock()
        for _ in range(len(self._changes)):
            self._gathered.take(self._changes.popleft(), now)
        try:
            self._write()  # before the store is asked, which may be away while the history is not
            self._look(now)
            self._write()
            self._forget(now)
            pause = self._read(now)
        except StoreUnavailable as error:
            self._reading.give_up(now.wall)
            return self._failed(error)
        except Exception:
            self._reading.give_up(now.wall + AGAIN_AFTER)
            raise
        if self._failures > 0:
            log.info("history: it is available again")
            self._failures = 0
        return pause

    # ---- the thread

    def _run(self) -> None:
        pause = 0.0  # at once: from its first mark on others know of this process
        while not self._stop.wait(pause):
            pause = self._safe_turn()
        self._safe_turn()

    def _safe_turn(self) -> float:
        try:
            return self.turn()
        except Exception:  # noqa: BLE001 - whatever it is, rows have to be written afterwards
            log.exception("history: a turn failed")
            return PAUSES[-1]

    def _failed(self, error: StoreUnavailable) -> float:
        if not self._failures:
            log.warning("history: %s: what ends meanwhile is written later", error)
        self._failures += 1
        return PAUSES[min(self._failures, len(PAUSES)) - 1]

    def _write(self) -> None:
        endings = self._gathered.endings
        while batch := list(islice(endings.values(), MOST_AT_ONCE)):
            self._written += write(self.database, batch, self.numbers)
            for ending in batch:
                del endings[ending.id]

    def _look(self, now: Instant) -> None:
        """Look in the store at verifications whose life has ended by now, with no further request."""
        if abs(now.wall - self._looked) < LOOK_EVERY:
            return
        due = list(islice(self._gathered.due(now.wall), MOST_LOOKED_AT))
        for id_, key in due:
            ledger = ledger_in(self._store.get(key), now)
            verification = ledger.noted(id_) if ledger else None
            if ledger and verification:
                self._gathered.see(key, ledger.phone, verification, now)
            else:
                self._gathered.unwatch(id_)
        if len(due) < MOST_LOOKED_AT:
            self._looked = now.wall

    def _read(self, now: Instant) -> float:
        """Read on in the store, if that is wanted; return the seconds until the next turn."""
        self._reading.begin(now.wall)
        if self._gathered.left_out:
            self._gathered.left_out = False
            self._reading.want(now.wall + AGAIN_AFTER)
        if not self._reading.is_under_way or self._stop.is_set():
            return TURN
        for found in self._reading.read_on(MOST_READ):
            if isinstance(found, Ending):
                self._gathered.put(found)
            else:
                self._gathered.see(*found, self._clock())
        return READING

    def _forget(self, now: Instant) -> None:
        is_time = abs(now.wall - self._forgot) >= FORGET_EVERY
        if is_time and not forget_old(self.database, now.wall - self._retention, now.wall):
            self._forgot = now.wall
