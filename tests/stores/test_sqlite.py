"""SQLite's files: how they are made, what is asked of SQLite, and whose files are left alone."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from otp_app.stores.sqlite import store as sqlite
from otp_app.stores.sqlite.store import SqliteStore
from tests.running import ROOT
from tests.stores.faults import HOUR, refused


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "var" / "otp.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(f"sqlite:///{path}")
    store.swap("old", None, b"a", HOUR)
    store.add("c", 1, HOUR)
    yield store
    store.close()


def test_files_and_their_folder_are_the_owners_alone(store: SqliteStore, path: Path) -> None:
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes.keys() >= {"otp.db", "otp.db-wal", "otp.db-shm", "otp-counters.db", "otp-counters.db-wal"}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_what_root_makes_is_of_the_owner_of_the_folder(tmp_path: Path) -> None:
    """As by a command beside a server with a user of its own, which could not open it."""
    os.chown(tmp_path, 65534, 65534)
    with closing(SqliteStore(f"sqlite:///{tmp_path}/otp.db")) as store:
        store.ping()
        store.add("x", 1, 9)
        assert {file.stat().st_uid for file in tmp_path.iterdir()} == {65534}


STARTER = """
import sys
from otp_app.stores import open_store
store = open_store(sys.argv[1])
sys.stdin.readline()
assert store.swap(sys.argv[2], None, b"a", 3600).won
store.add("c", 1, 3600)
store.close()
"""


def test_of_many_starts_at_once_one_makes_the_file_and_none_fails(path: Path) -> None:
    command = [sys.executable, "-c", STARTER, f"sqlite:///{path}"]
    starts = [subprocess.Popen([*command, str(n)], cwd=ROOT, stdin=subprocess.PIPE, text=True) for n in range(6)]
    for start in starts:
        start.stdin.write("go\n")  # type: ignore[union-attr]
        start.stdin.flush()  # type: ignore[union-attr]
    for start in starts:
        start.communicate()
    assert [start.returncode for start in starts] == [0] * 6
    with closing(SqliteStore(f"sqlite:///{path}")) as store:
        assert [store.get(str(n)) for n in range(6)] == [b"a"] * 6
        assert store.add("c", 0, HOUR) == 6
    assert sorted(file.name for file in path.parent.iterdir()) == ["otp-counters.db", "otp.db"]


def test_a_start_that_comes_second_takes_the_file_of_the_first(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even when the first made it while the second was making its own."""
    url, make_draft = f"sqlite:///{path}", tempfile.mkstemp
    with closing(SqliteStore(url)) as first, closing(SqliteStore(url)) as second:

        def overtaken(**place: str) -> tuple[int, str]:
            monkeypatch.undo()
            first.swap("k", None, b"a", HOUR)
            return make_draft(**place)

        monkeypatch.setattr(tempfile, "mkstemp", overtaken)
        assert second.get("k") == b"a"
        assert second.swap("k", b"a", b"b", HOUR).won
        assert first.get("k") == b"b"


def test_the_default_waits_for_the_disk(store: SqliteStore) -> None:
    """WAL with synchronous FULL (2): a commit that was answered survives a power cut."""
    with store._reader as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store._writer.do(lambda db: db.execute("PRAGMA synchronous").fetchone()) == (2,)


def test_counters_do_not_wait_for_the_disk(store: SqliteStore) -> None:
    with store._counters as db:
        assert db.execute("PRAGMA synchronous").fetchone() == (0,)


@pytest.mark.parametrize(("name", "number"), [("OFF", 0), ("NORMAL", 1), ("FULL", 2)])
def test_a_parameter_relaxes_it(path: Path, name: str, number: int) -> None:
    with closing(SqliteStore(f"sqlite:///{path}?synchronous={name}")) as store:
        assert store._writer.do(lambda db: db.execute("PRAGMA synchronous").fetchone()) == (number,)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///var/", "sqlite://host/otp.db",
                                 "sqlite:///otp.db?synchronous=EXTRA", "sqlite:///otp.db?synchronous=",
                                 "sqlite:///otp.db?sync=FULL", "sqlite:///.", "sqlite:///var/..", "sqlite:///var/otp.keys",
                                 "sqlite:///otp.db?synchronous=OFF&synchronous=FULL"])  # fmt: skip
def test_a_url_that_names_no_store_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="sqlite:///"):
        SqliteStore(url)


@pytest.mark.parametrize(("url", "name"), [("sqlite:///a/otp.db", "a/otp.db"), ("sqlite:///50%25%20%3F.db", "50% ?.db"),
                                           ("sqlite:///a#b.db", "a#b.db")])  # fmt: skip
def test_three_slashes_name_a_path_from_where_the_process_started(
    url: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with closing(SqliteStore(url)) as store:
        monkeypatch.chdir("/")
        store.ping()
    assert (tmp_path / name).exists()


def test_a_database_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "theirs.db"
    with closing(sqlite3.connect(file)) as db:
        db.execute("CREATE TABLE entries (theirs TEXT)")
    before = file.read_bytes()
    with closing(SqliteStore(f"sqlite:///{file}")) as store:
        assert "not a store" in refused(store.ping)[0]
    assert file.read_bytes() == before


def test_a_newer_format_is_refused(path: Path, store: SqliteStore) -> None:
    store.close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 2")
    with closing(SqliteStore(f"sqlite:///{path}")) as again:
        assert "newer" in refused(again.ping)[0]


@pytest.mark.parametrize("name", ["otp.db", "otp-counters.db"])
def test_ping_writes_to_both_files(store: SqliteStore, path: Path, name: str) -> None:
    """SQLite's data_version is another after somebody else's commit."""
    with closing(sqlite3.connect(path.with_name(name))) as db:
        before = db.execute("PRAGMA data_version").fetchone()
        store.ping()
        assert db.execute("PRAGMA data_version").fetchone() != before


def test_ping_changes_nothing(store: SqliteStore) -> None:
    store.ping()
    assert (store.get("old"), store.add("c", 0, HOUR), store.sweep(10)) == (b"a", 1, 0)


PLANS = {
    "get": (sqlite.GET, ("k", 0.0)),
    "update": (sqlite.UPDATE, (b"b", 1.0, "k", b"a", 0.0)),
    "delete": (sqlite.DELETE, ("k", b"a", 0.0)),
    "sweep": (sqlite.SWEEP, (0.0, 1)),
    "count": (sqlite.COUNT, {"key": "k", "now": 0.0}),
    "sweep counters": (sqlite.SWEEP_COUNTERS, (0.0, 1)),
}


@pytest.mark.parametrize("name", PLANS)
def test_no_statement_walks_through_all_entries_or_sorts_them(store: SqliteStore, name: str) -> None:
    """So a million of them cost what a thousand do."""
    statement, values = PLANS[name]
    with store._counters if "counters" in statement else store._reader as db:
        plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    assert any(step.startswith("SEARCH") for step in plan)
    assert [step for step in plan if step.startswith("SCAN") or "TEMP B-TREE" in step] == []


def test_a_closed_store_refuses(store: SqliteStore) -> None:
    store.close()
    said = refused(
        store.ping, lambda: store.get("k"), lambda: store.swap("k", None, b"a", HOUR), lambda: store.add("c", 1, 1),
        lambda: store.sweep(1),
    )  # fmt: skip
    assert set(said) == {"The store is closed"}
