"""Group commit: one thread makes all waiting changes in one transaction, so with one wait for the disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from threading import Condition, Lock, Thread
from typing import Any, TypeVar

from otp_app.core.errors import StoreUnavailable
from otp_app.stores.sqlite.file import Connection, File

MOST_WAITING = 1024

T = TypeVar("T")


class Writer:
    """The only writer to a file in this process. Its thread starts with the first change, so after any fork."""

    def __init__(self, file: File, write_timeout: float) -> None:
        self._connection, self._write_timeout = Connection(file, in_child=self._begin), write_timeout
        self._closed = False
        self._begin()

    def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` returned, once it is committed. Raises what it raised, StoreUnavailable.

        A change that the writer has not taken within `write_timeout` seconds is withdrawn and never made.
        """
        change = _Change(work)
        self._accept(change)
        if not change.done.acquire(timeout=self._write_timeout):
            self._withdraw(change)
        if change.error:
            raise change.error
        answer: T = change.answer
        return answer

    def close(self) -> None:
        """Make the waiting changes, end the thread, close the file."""
        with self._ready:
            self._closed = True
            self._ready.notify()
        if self._thread:
            self._thread.join()
        self._connection.close()

    def _begin(self) -> None:
        self._ready, self._waiting = Condition(Lock()), list[_Change]()
        self._thread: Thread | None = None

    def _accept(self, change: _Change) -> None:
        with self._ready:
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
            self._ready.notify()

    def _withdraw(self, change: _Change) -> None:
        with self._ready:
            if change not in self._waiting:
                raise StoreUnavailable("The store did not answer in time: the change may have been made")
            self._waiting.remove(change)
        raise StoreUnavailable("The store did not answer in time: nothing was changed")

    def _run(self) -> None:
        while self._something_waits():
            self._connection.look()
            group: list[_Change] = []
            try:
                with self._connection as db:
                    db.execute("BEGIN IMMEDIATE")
                    # Taken only now: while the file is locked by others, changes can still be withdrawn.
                    group = self._take()
                    for change in group:
                        change.make(db)
                    db.execute("COMMIT")
            except StoreUnavailable as error:
                group = group or self._take()
                for change in group:
                    change.error = StoreUnavailable(str(error))
            for change in group:
                change.done.release()

    def _something_waits(self) -> bool:
        with self._ready:
            while not self._waiting and not self._closed:
                self._ready.wait()
            return bool(self._waiting)

    def _take(self) -> list[_Change]:
        with self._ready:
            group, self._waiting = self._waiting, []
            return group


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
