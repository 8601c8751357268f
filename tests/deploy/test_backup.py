"""The pages' commands for a backup, while the server writes all the time."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from otp_app.core.moving import Item
from otp_app.maintenance import sqlite_file
from otp_app.stores.sqlite.store import SqliteStore
from tests.conftest import require
from tests.running import ROOT

LIMIT = 20.0  # seconds; a backup of this size takes some hundredths of one
RECORDS = 4000  # 8 MiB: SQLite looks after each 0.4 MiB whether it has to start over


@contextmanager
def being_written(store: SqliteStore) -> Iterator[None]:
    """Change a record all the time."""
    end = threading.Event()

    def write() -> None:
        value: bytes | None = None
        while not end.is_set():
            value = store.swap("n:busy", value, b"%d" % (int(value or 0) + 1), 1000.0).found

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def test_the_command_ends_likewise(tmp_path: Path) -> None:
    """With a copy of one moment."""
    seen = [0]

    def progress(done: int, _: int) -> None:
        assert done >= seen[-1], "it started over"
        seen.append(done)

    with closing(SqliteStore(f"sqlite:///{tmp_path}/otp.db?synchronous=OFF")) as store:
        store.load(Item(f"n:{n:04}", b"x" * 2000, 1000.0) for n in range(RECORDS))
        with being_written(store):
            sqlite_file.copy(tmp_path / "otp.db", tmp_path / "copy.db", progress)
    assert len(seen) > 3
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.parametrize(("page", "database", "backup"), [
    ("run.md", "/var/lib/otp-app/otp.db", "/var/backups/otp-app/otp.db"),
    ("accounts.md", "var/accounts.db", "backup.db"),
])  # fmt: skip
def test_a_backup_ends_though_the_server_writes(page: str, database: str, backup: str, tmp_path: Path) -> None:
    """SQLite by itself would start over after each change. The backup is a store, all of one moment."""
    require("sqlite3")
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    (line,) = re.findall(r"^ *(sqlite3 .*\.backup.*)$", text, re.MULTILINE)
    line = line.replace(database, f"{tmp_path}/otp.db").replace(backup, f"{tmp_path}/copy.db")
    with closing(SqliteStore(f"sqlite:///{tmp_path}/otp.db?synchronous=OFF")) as store:
        store.load(Item(f"n:{n:04}", b"x" * 2000, 1000.0) for n in range(RECORDS))
        with being_written(store):
            subprocess.run(["sh", "-c", f"exec {line}"], check=True, timeout=LIMIT)
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert copy.execute("PRAGMA journal_mode").fetchall() == [("wal",)]
    with closing(SqliteStore(f"sqlite:///{tmp_path}/copy.db")) as restored:
        assert restored.size() >= RECORDS
