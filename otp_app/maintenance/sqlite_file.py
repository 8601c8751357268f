"""SQLite files as files: what was deleted goes from the disk too, and a copy is made while servers write."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from otp_app.core.errors import StoreUnavailable

PATIENCE = 10.0  # seconds for others who hold the file
PAGES = 200  # of a copy between two looks at its progress
SNAPSHOT = "SELECT 1 FROM sqlite_master LIMIT 0"  # from here on the file is read as it is now


def scrub(path: Path) -> None:
    """Write the file anew without what was deleted, and empty its log. Raises StoreUnavailable."""
    try:
        with closing(_connect(path)) as db:
            db.execute("VACUUM")
            (is_busy, _, _) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:
        raise _unavailable(path, error) from error
    if is_busy:
        raise StoreUnavailable(f"{path}: others read its log just now, which still has what was deleted: run it again")


def copy(path: Path, target: Path, progress: Callable[[int, int], None]) -> None:
    """Copy the file as it is at this moment into an empty one. Raises StoreUnavailable.

    `progress` is called with the pages that are done and all of them.
    """
    try:
        with closing(_connect(path)) as source, closing(sqlite3.connect(target)) as db:
            source.execute("BEGIN")
            source.execute(SNAPSHOT)
            source.backup(db, pages=PAGES, progress=lambda _, left, pages: progress(pages - left, pages))
    except sqlite3.Error as error:
        raise _unavailable(path, error) from error


def _connect(path: Path) -> sqlite3.Connection:
    address = f"{path.absolute().as_uri()}?mode=rw"
    return sqlite3.connect(address, timeout=PATIENCE, isolation_level=None, uri=True)


def _unavailable(path: Path, error: sqlite3.Error) -> StoreUnavailable:
    return StoreUnavailable(f"{path}: {getattr(error, 'sqlite_errorname', '') or type(error).__name__}")
