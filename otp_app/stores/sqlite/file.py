"""SQLite files and connections to them, faults and forks included. Raises StoreUnavailable and no other fault."""

from __future__ import annotations

import errno
import os
import sqlite3
import tempfile
import weakref
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from threading import Lock
from types import TracebackType

from otp_app.core.errors import StoreUnavailable
from otp_app.core.moving import Freeze

CONNECTION_TIMEOUT = 0.9  # seconds; with the 2 s for a lock it stays below the 3 s of the contract
PASSING = ("SQLITE_BUSY", "SQLITE_FULL", "SQLITE_IOERR", "ENOSPC", "EDQUOT", "EIO")  # beginnings of faults' names
MARK = 0x4F545031  # SQLite's application_id of our files: "OTP1"
FORMAT = 1
CACHE = "PRAGMA cache_size = -512"  # KiB of pages in a connection: the system has them too, and SQLite would take 2 MiB

Identity = tuple[int, int] | None  # device and inode; None: no such file


def touch(db: sqlite3.Connection) -> None:
    """Write to the file without changing its records."""
    db.execute(f"PRAGMA application_id = {MARK}")


class File:
    """One database file: how it is made, opened, and known again."""

    def __init__(self, path: Path, schema: str, synchronous: str, lock_timeout: float) -> None:
        self._path, self._schema = path, schema
        self._synchronous, self.lock_timeout = synchronous, lock_timeout
        self._log = path.with_name(f"{path.name}-wal")
        self._seen = path in _of_parent
        self.place = self._look()

    def look(self) -> None:
        """Look which files are there now: SQLite itself would continue with files that were renamed or deleted."""
        self.place = self._look()

    def _look(self) -> tuple[Identity, Identity]:
        return _identity(self._path), _identity(self._log)

    def connect(self) -> sqlite3.Connection:
        """Return a new connection; make the file, but only if neither this process nor its parent has ever seen it."""
        try:
            if not self._seen:
                self._make()
            self.look()
            database, _ = self.place
            db = self._open()
            self.place = database, _identity(self._log)  # only now: the first connection makes the log
        except (sqlite3.Error, OSError) as error:
            raise unavailable(error) from error
        self._seen = True
        _opened.add(self._path)
        return db

    def _make(self) -> None:
        """Put the whole file in its place, unless it is there; of several starts at the same time one makes it."""
        has_log = self._log.exists()  # asked first: another start may be making both just now
        if self._path.exists():
            return
        if has_log:
            name = self._log.name
            raise StoreUnavailable(f"The database file is gone, its {name} is not: put it back, or delete both")
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=self._path.parent, prefix=f"{self._path.name}.")  # mode 0600
        if os.geteuid() == 0:  # as SQLite does with its log: the server may have a user of its own
            owner = self._path.parent.stat()
            with suppress(OSError):  # root of a container may not
                os.fchown(handle, owner.st_uid, owner.st_gid)
        os.close(handle)
        try:
            with closing(sqlite3.connect(draft)) as db:
                db.executescript(f"PRAGMA journal_mode = WAL; PRAGMA user_version = {FORMAT}; {self._schema}")
                touch(db)
            with suppress(FileExistsError):
                self._path.hardlink_to(draft)
        finally:  # with the files that SQLite leaves where the disk is full
            for end in ("", "-wal", "-shm"):
                Path(f"{draft}{end}").unlink(missing_ok=True)

    def _open(self) -> sqlite3.Connection:
        if self._path.exists() and not self._path.is_file():  # for SQLite this is a fault of the disk, which may pass
            raise StoreUnavailable("The store is not available (its name is not that of a file)")
        address, timeout = f"{self._path.as_uri()}?mode=rw", self.lock_timeout
        db = sqlite3.connect(address, timeout=timeout, isolation_level=None, check_same_thread=False, uri=True)
        try:
            _check(db)
            db.execute(f"PRAGMA synchronous = {self._synchronous}")
            db.execute(CACHE)
        except BaseException:
            db.close()
            raise
        return db


class Connection:
    """A connection that threads use in turns, by `with`: opened when first used, and anew after every fault.

    It is closed while the process forks, since SQLite's locks do not come along: a child that opened the file beside
    the parent's connection would hold no lock on it, and lose what it writes when the parent closes. `in_child` is
    called in the child afterwards.
    """

    def __init__(self, file: File, in_child: Callable[[], None] | None = None) -> None:
        self._file, self._in_child = file, in_child
        self._lock, self._closed = Lock(), False
        self._db: sqlite3.Connection | None = None
        self._place: tuple[Identity, Identity] | None = None
        with _forking:
            _connections.add(self)

    def __enter__(self) -> sqlite3.Connection:
        if not self._lock.acquire(timeout=CONNECTION_TIMEOUT):
            raise StoreUnavailable("The store is not available (too many wait for it)")
        try:
            return self._current()
        except BaseException:
            self._lock.release()
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None:
            self._drop()
        self._lock.release()
        if isinstance(error, sqlite3.Error):
            raise unavailable(error) from error

    def look(self) -> None:
        """Let every connection leave a file, or its log, that was renamed or deleted."""
        self._file.look()

    def close(self) -> None:
        """Close for good."""
        with self._lock:
            self._closed = True
            self._drop()

    def before_fork(self) -> None:
        """Wait for the present use to end, close, and let no thread open."""
        self._lock.acquire()
        self._drop()

    def after_fork(self, child: bool) -> None:
        """Let threads in again."""
        if child and self._in_child:
            self._in_child()
        self._lock.release()

    def _current(self) -> sqlite3.Connection:
        if self._closed:
            raise StoreUnavailable("The store is closed")
        if self._db is None or self._place != self._file.place:
            self._drop()
            self._db = self._file.connect()
            self._place = self._file.place
        return self._db

    def _drop(self) -> None:
        db, self._db = self._db, None
        if db:
            db.close()


def unavailable(error: sqlite3.Error | OSError) -> StoreUnavailable:
    """Return the fault as the error of the contract, with its name and nothing of the path or the statement."""
    if isinstance(error, sqlite3.IntegrityError):  # of a trigger: nothing else in these files has conditions
        return StoreUnavailable(Freeze(str(error)).message)
    if isinstance(error, OSError):
        name = errno.errorcode.get(error.errno or 0, "OSError")
    else:
        name = getattr(error, "sqlite_errorname", type(error).__name__)
    return StoreUnavailable(f"The store is not available ({name})", passing=name.startswith(PASSING))


def _identity(path: Path) -> Identity:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _check(db: sqlite3.Connection) -> None:
    mark, version = db.execute("SELECT * FROM pragma_application_id, pragma_user_version").fetchone()
    if mark != MARK:
        raise StoreUnavailable("The database file is not a store of this server: name another file")
    if version > FORMAT:
        raise StoreUnavailable(f"The store has format {version}, this version knows {FORMAT}: install the newer one")


#: the files that this process has opened, and those that its parent had opened before the fork: a worker that begins
#: hours after its master, or in another folder of the same name, must not take the place of a store for a new one
_opened: set[Path] = set()
_of_parent: set[Path] = set()
_connections: weakref.WeakSet[Connection] = weakref.WeakSet()
_held: list[Connection] = []
_forking = Lock()


def _before_fork() -> None:
    _forking.acquire()
    _held.extend(_connections)
    for connection in _held:
        connection.before_fork()


def _after_fork(child: bool) -> None:
    if child:
        _of_parent.update(_opened)
    for connection in _held:
        connection.after_fork(child)
    _held.clear()
    _forking.release()


os.register_at_fork(
    before=_before_fork,
    after_in_parent=lambda: _after_fork(child=False),
    after_in_child=lambda: _after_fork(child=True),
)
