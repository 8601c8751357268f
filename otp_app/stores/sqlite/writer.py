"""Group commit: one thread makes all waiting changes in one transaction, so with one wait for the disk."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from functools import partial
from threading import Lock, Thread, current_thread
from typing import Any, TypeVar

from otp_app.core.errors import StoreUnavailable
from otp_app.stores.sqlite.file import Connection, File

MOST_WAITING = 1024
SOON = 0.05  # seconds after which a change is made that no caller waits for, if no other took it along
LOOK_EVERY = 0.001  # seconds, for the lock of another process
MOST_LATER = 8  # such changes; the caller of one more waits, so that bursts of requests do not grow (decision 40)

NO_WAIT = "PRAGMA busy_timeout = 0"

T = TypeVar("T")


class Writer:
    """The only writer to a file in this process. Its thread starts with the first change, so after any fork."""

    def __init__(self, file: File, write_timeout: float) -> None:
        self._connection, self._write_timeout = Connection(file, in_child=self._begin), write_timeout
        self._lock_timeout = file.lock_timeout
        self._wait = f"PRAGMA busy_timeout = {int(self._lock_timeout * 1000)}"  # milliseconds
        self._closed = False
        self._begin()

    def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` returned, once it is committed. Raises what it raised, StoreUnavailable.

        A change that the writer has not taken within `write_timeout` seconds is withdrawn and never made.
        """
        return self.begin(work)()

    def begin(self, work: Callable[[sqlite3.Connection], T]) -> Callable[[], T]:
        """Return at once, with what does the rest of `do`: it waits for the end of the work."""
        change = _Change(work)
        with self._lock:
            self._accept(change)
            self._ring()
        return partial(self._wait_for, change, time.monotonic() + self._write_timeout)

    def _wait_for(self, change: _Change, end: float) -> Any:
        if not change.done.acquire(timeout=max(end - time.monotonic(), 0.0)):
            self._withdraw(change)
        if change.error:
            raise change.error
        return change.answer

    def do_later(self, key: str, work: Callable[[sqlite3.Connection], T], then: Callable[[T | None], None]) -> None:
        """Do the work within SOON seconds, before all that is given later; wait for it only where many wait already.

        When it is committed, the writer calls `then` with what it returned; None where it failed. Raises
        StoreUnavailable: it will not be done. The process may end before it is done.
        """
        with self._lock:
            change = _LaterChange(key, work, then)
            self._accept(change)
            self._later[key] = change
            waits = len(self._later) > MOST_LATER and current_thread() is not self._thread  # which calls from `then`
            if waits or self._asleep:
                self._ring()
        if waits:
            change.done.acquire(timeout=self._write_timeout)

    def is_later(self, key: str) -> bool:
        """Whether work of `do_later` for this key is not yet committed."""
        return key in self._later

    def close(self) -> None:
        """Make the waiting changes, end the thread, close the file."""
        with self._lock:
            self._closed = True
            self._ring()
        if self._thread:
            self._thread.join()
        self._connection.close()

    def _begin(self) -> None:
        self._lock, self._waiting = Lock(), list[_Change]()
        self._later: dict[str, _LaterChange] = {}  # the last one of each key
        self._bell, self._asleep = Lock(), False  # the thread sleeps until someone unlocks the bell
        self._bell.acquire()
        self._thread: Thread | None = None

    def _ring(self) -> None:
        if self._bell.locked():
            self._bell.release()

    def _accept(self, change: _Change) -> None:
        if self._closed:
            raise StoreUnavailable("The store is closed")
        if len(self._waiting) >= MOST_WAITING:
            raise StoreUnavailable("The store is not available (too many changes wait)")
        if not (self._thread and self._thread.is_alive()):
            thread = Thread(target=self._run, name="sqlite-writer", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                raise StoreUnavailable("The store is not available (no thread can be started)") from error
            self._thread = thread
        self._waiting.append(change)

    def _withdraw(self, change: _Change) -> None:
        with self._lock:
            if change not in self._waiting:
                raise StoreUnavailable("The store did not answer in time: the change may have been made", passing=True)
            self._waiting.remove(change)
        raise StoreUnavailable("The store did not answer in time: nothing was changed", passing=True)

    def _run(self) -> None:
        while self._something_waits():
            self._connection.look()
            group: list[_Change] = []
            try:
                with self._connection as db:
                    self._begin_change(db)
                    # Taken only now: while the file is locked by others, changes can still be withdrawn.
                    group = self._take()
                    for change in group:
                        change.make(db)
                    db.execute("COMMIT")
            except StoreUnavailable as error:
                group = group or self._take()
                for change in group:
                    change.error = StoreUnavailable(str(error), passing=error.passing)
            self._finish(group)

    def _begin_change(self, db: sqlite3.Connection) -> None:
        """Take the lock of the file. Raises sqlite3.Error.

        A process that makes one change after the other leaves the lock free for moments only, and its disk decides how
        rarely. SQLite's own wait comes to look once in 100 ms, and misses nearly all of them.
        """
        end = time.monotonic() + self._lock_timeout
        db.execute(NO_WAIT)
        while not _has_lock(db, last=time.monotonic() >= end):
            time.sleep(LOOK_EVERY)
        db.execute(self._wait)

    def _something_waits(self) -> bool:
        """Sleep until there is a change to make; return False where no more will come."""
        self._bell.acquire(timeout=SOON)
        while True:
            with self._lock:
                self._asleep = not (self._waiting or self._closed)
                if not self._asleep:
                    return bool(self._waiting)
            self._bell.acquire()

    def _take(self) -> list[_Change]:
        with self._lock:
            self._bell.acquire(blocking=False)  # nothing is left to ring for
            group, self._waiting = self._waiting, []
            return group

    def _finish(self, group: list[_Change]) -> None:
        for change in group:
            change.done.release()
        later = [change for change in group if isinstance(change, _LaterChange)]
        with self._lock:
            for made in later:
                if self._later.get(made.key) is made:
                    del self._later[made.key]
        for made in later:
            made.then(None if made.error else made.answer)


def _has_lock(db: sqlite3.Connection, *, last: bool) -> bool:
    """Begin a change, unless another process has the lock: then return False, or raise where this look is the last."""
    try:
        db.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if last or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:  # of several kinds
            raise
        return False
    return True


class _Change:
    """The change of one caller; `done` is unlocked when it is committed or has failed."""

    __slots__ = ("answer", "done", "error", "work")

    def __init__(self, work: Callable[[sqlite3.Connection], Any]) -> None:
        self.work, self.done = work, Lock()
        self.answer: Any = None
        self.error: Exception | None = None
        self.done.acquire()

    def make(self, db: sqlite3.Connection) -> None:
        """Do the work; an error that is not the database's is the caller's own and fails no other change."""
        try:
            self.answer = self.work(db)
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001 - raised again in the caller's thread
            self.error = error


class _LaterChange(_Change):
    """A change that no caller waits for."""

    __slots__ = ("key", "then")

    def __init__(self, key: str, work: Callable[[sqlite3.Connection], Any], then: Callable[[Any], None]) -> None:
        super().__init__(work)
        self.key, self.then = key, then
