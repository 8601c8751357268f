"""A history in a SQLite file."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import unquote, urlsplit

from otp_app.core.errors import StoreUnavailable
from otp_app.history.database import Database, NotBegunError, Session, unavailable
from otp_app.history.migrating import migrate
from otp_app.history.schema import schema

PATIENCE = 2.0  # seconds for the lock of another writer
MARK = 0x4F545048  # SQLite's application_id of our files: "OTPH"


class _Session(Session):
    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._db.execute(statement, values).fetchall()

    def change(self, statement: str, values: Sequence[Any] = ()) -> int:
        return self._db.execute(statement, values).rowcount

    def many(self, statement: str, values: Iterable[Sequence[Any]]) -> None:
        self._db.executemany(statement, values)


class SqliteDatabase(Database):
    """The history of `sqlite:///file`. It survives the process; what a power cut takes is found again in the store."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url, allow_fragments=False)
        name = unquote(parts.path).removeprefix("/")
        if parts.netloc or parts.query or name.endswith("/") or Path(name).name in ("", ".."):
            raise ValueError("write sqlite:///relative/path.db or, with four slashes, sqlite:////absolute/path.db")
        self._path = Path(name).absolute()
        self._lock = Lock()
        self._db: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Begin a transaction; see Database."""
        with self._lock, _faults():
            try:
                db = self._open()
                db.execute("BEGIN IMMEDIATE")
                yield _Session(db)
                db.execute("COMMIT")
            except BaseException:
                self._close()  # which rolls back
                raise

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Begin a transaction; see Database."""
        with _faults():
            if not self._path.is_file():
                raise NotBegunError
            address = f"{self._path.as_uri()}?mode=rw"  # a reader of the log has to make its index where there is none
            with closing(sqlite3.connect(address, timeout=PATIENCE, isolation_level=None, uri=True)) as db:
                db.execute("PRAGMA query_only = 1")
                _require_ours(db)
                db.execute("BEGIN")
                yield _Session(db)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._close()

    def _open(self) -> sqlite3.Connection:
        """Return the connection: a new one where the file was deleted or put in its place by another one."""
        if self._db and self._file == _identity(self._path):
            return self._db
        self._close()
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        if not self._path.exists():  # SQLite would make the target of a link, for others to read
            raise unavailable("its file is a link without its target")
        db = sqlite3.connect(self._path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            self._file = _identity(self._path)
            _prepare(db)
        except BaseException:
            db.close()  # which rolls back
            raise
        self._db = db
        return db

    def _close(self) -> None:
        db, self._db = self._db, None
        if db:
            db.close()


def _require_ours(db: sqlite3.Connection) -> None:
    has_tables = bool(db.execute("SELECT 1 FROM sqlite_master").fetchall())
    ((mark,),) = db.execute("PRAGMA application_id").fetchall()  # after them: both may be committed just now, as one
    if mark not in (0, MARK) or (mark == 0 and has_tables):
        raise unavailable("its file is something else: name another one")


def _prepare(db: sqlite3.Connection) -> None:
    _require_ours(db)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA cache_size = -512")  # KiB of pages: the system has them too, and SQLite would take 2 MiB
    db.execute("BEGIN IMMEDIATE")
    db.execute(f"PRAGMA application_id = {MARK}")
    migrate(_Session(db), schema(" WITHOUT ROWID"))
    db.execute("COMMIT")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except StoreUnavailable:
        raise
    except sqlite3.Error as error:
        if "no such table" in str(error):
            raise NotBegunError from error
        raise unavailable(getattr(error, "sqlite_errorname", type(error).__name__)) from error
    except OSError as error:
        raise unavailable(error.strerror or type(error).__name__) from error
