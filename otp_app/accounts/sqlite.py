"""SQLite as the database of accounts: one file, which is made once, and left where another one takes its place."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import time
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event, exc

from otp_app.system.logs import log

Identity = tuple[int, int] | None  # device and inode; None: no such file

LOOK_EVERY = 0.001  # seconds, for the lock
LOCK_TIMEOUT = 2.0  # seconds that a change waits for another process
GONE = "its file is gone: put it back, or delete what is left of it and restart"
OWN = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON"

#: the files that this process, or its parent before the fork, has seen: none of them is made anew once it is gone
_seen: set[Path] = set()


class File:
    """The file, beside the connections to it."""

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._log = self._path.with_name(f"{path.name}-wal")
        self._place = _identity(self._path)
        self._used: Identity = None  # the file that was worked with
        self._used_log: Identity = None

    def is_another(self) -> bool:
        """Return whether it was replaced or deleted since the last call: SQLite itself would not notice."""
        before, self._place = self._place, _identity(self._path)
        if self._place == self._used:
            self._used_log = _identity(self._log)
        return before != self._place

    def make(self) -> None:
        """Make an empty one that nobody else can read, unless it is there. Raises OSError where it was there before."""
        self.is_there()
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.touch(mode=0o600)
        _seen.add(self._path)
        self._place = _identity(self._path)
        if self._used not in (None, self._place):
            self._leave_log()
        self._used = self._place

    def _leave_log(self) -> None:
        """Put away what SQLite left of a file that was replaced, or it would write that into the new one."""
        if self._used_log and _identity(self._log) == self._used_log:
            self._log.replace(f"{self._log}.replaced")
            self._path.with_name(f"{self._path.name}-shm").unlink(missing_ok=True)
            log.warning("DATABASE_URL: the file was replaced. The log of the one before is %s.replaced", self._log)

    def is_there(self) -> bool:
        """Return whether it is there. Raises OSError where it is not, and must not or cannot be made."""
        # Asked first, as another start may be making it just now. A new file would take in the log of the one before.
        was_there = self._path in _seen or self._path.is_symlink() or self._log.exists()
        if self._path.exists():
            _seen.add(self._path)
            return True
        if was_there:
            raise OSError(errno.ENOENT, GONE)
        folder = next(parent for parent in self._path.parents if parent.exists())
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        return False

    def faults(self) -> list[str]:
        """Return a line where other users of the machine can read it."""
        try:
            mode = self._path.stat().st_mode
        except OSError:  # not there yet, or it is said where the file is looked for
            return []
        is_shared = stat.S_ISREG(mode) and mode & 0o077
        return [f"others can read the database: chmod 600 {self._path}"] if is_shared else []


def _identity(path: Path) -> Identity:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def file_of(url: str) -> Path:
    """Return the file of a URL, of which nothing is left out. Raises ValueError with one line."""
    parts = urlsplit(url, allow_fragments=False)
    name = unquote(parts.path).removeprefix("/")
    if parts.netloc or parts.query or name.endswith("/") or Path(name).name in ("", ".."):
        raise ValueError("write sqlite:///relative/path.db or, with four slashes, sqlite:////absolute/path.db")
    return Path(name)


def engine(file: Path, connections: int, *, is_ours: bool) -> Engine:
    """Return the engine of a file that is there. A caller waits for one of its connections as long as for the lock: who
    has them all waits for that, in turn.

    One that is not ours is only read.
    """
    address = f"file:{quote(str(file.absolute()))}?mode={'rw' if is_ours else 'ro'}"

    def connect() -> sqlite3.Connection:
        db = sqlite3.connect(address, timeout=LOCK_TIMEOUT, isolation_level=None, check_same_thread=False, uri=True)
        try:
            if is_ours:
                db.executescript(OWN)
        except BaseException:  # no database, or a locked one
            db.close()
            raise
        return db

    found = create_engine(
        f"sqlite:///{file}", creator=connect, poolclass=QueuePool,
        pool_size=connections, max_overflow=0, pool_timeout=LOCK_TIMEOUT,
    )  # fmt: skip
    event.listen(found, "begin", _begin)
    return found


def _begin(db: Connection) -> None:
    """A change takes the lock at once, or two that have read would both wait for the other to end."""
    if not db.get_execution_options().get("writes"):
        db.exec_driver_sql("BEGIN")
        return
    end = time.monotonic() + LOCK_TIMEOUT
    db.exec_driver_sql("PRAGMA busy_timeout = 0")  # SQLite's own wait looks too seldom: see stores/sqlite/writer.py
    try:
        while not _has_lock(db, last=time.monotonic() >= end):
            time.sleep(LOOK_EVERY)
    finally:
        db.exec_driver_sql(f"PRAGMA busy_timeout = {int(LOCK_TIMEOUT * 1000)}")


def _has_lock(db: Connection, *, last: bool) -> bool:
    """Begin a change, unless another one is being made: then return False, or raise where this look is the last."""
    try:
        db.exec_driver_sql("BEGIN IMMEDIATE")
    except exc.OperationalError as error:
        if last or getattr(error.orig, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True
