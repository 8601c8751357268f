"""Forks: gunicorn may open the store before it starts its workers; nobody may lose a change by that."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from otp_app.core.errors import StoreUnavailable
from otp_app.stores.sqlite.store import SqliteStore
from otp_app.stores.sqlite.writer import _Change
from tests.stores.faults import HOUR, in_thread, until

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "otp.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(f"sqlite:///{path}")
    store.swap("old", None, b"a", HOUR)
    store.add("c", 1, HOUR)
    yield store
    store.close()


def forked(work: Callable[[], object]) -> int:
    """Do the work in a child, which ends with status 0 if it is true; return the child's id."""
    if child := os.fork():
        return child
    signal.alarm(20)  # a child that hangs ends, and not with 0
    status = 1
    try:
        status = int(not work())
    finally:
        os._exit(status)


def status(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def put(store: SqliteStore, name: str, count: int = 20) -> bool:
    return all(store.swap(f"{name}{n}", None, b"a", HOUR).won for n in range(count))


def test_a_child_and_its_parent_both_use_the_store(store: SqliteStore) -> None:
    def work() -> bool:
        found = store.get("old") == b"a" and put(store, "child") and store.add("c", 1, HOUR) > 1
        store.close()
        return found

    child = forked(work)
    assert put(store, "parent")
    store.add("c", 1, HOUR)
    assert status(child) == 0
    assert [store.get(f"{who}{n}") for who in ("child", "parent") for n in range(20)] == [b"a"] * 40
    assert store.add("c", 0, HOUR) == 3


def test_no_connection_is_open_in_a_child_before_it_uses_the_store(store: SqliteStore) -> None:
    connections = (store._writer._connection, store._reader, store._counters)
    assert status(forked(lambda: all(connection._db is None for connection in connections))) == 0


def test_a_child_makes_none_of_its_parents_changes(store: SqliteStore) -> None:
    """Nor waits for a lock that one of the parent's threads had at that moment."""
    writer = store._writer
    with writer._lock:
        writer._waiting.append(_Change(lambda db: db.execute("INSERT INTO entries VALUES ('ghost', 'a', 1e12)")))
        ended = status(forked(lambda: put(store, "child") and store.get("ghost") is None))
        writer._waiting.clear()
    assert ended == 0


def test_a_child_that_outlives_its_parent_loses_nothing(path: Path, store: SqliteStore) -> None:
    """With SQLite's locks left behind in the parent, the next to close would delete the log that the child writes."""
    wait, go = os.pipe()

    def work() -> bool:
        return put(store, "before") and os.read(wait, 1) == b"x" and put(store, "after")

    child = forked(work)
    with closing(sqlite3.connect(path)) as other:
        until(lambda: other.execute("SELECT 1 FROM entries WHERE key = 'before19'").fetchone())
    store.close()
    with closing(SqliteStore(f"sqlite:///{path}")) as passing:
        passing.ping()
    os.write(go, b"x")
    assert status(child) == 0
    os.close(wait)
    os.close(go)
    with closing(SqliteStore(f"sqlite:///{path}")) as later:
        assert [later.get(f"{when}{n}") for when in ("before", "after") for n in range(20)] == [b"a"] * 40


def test_forks_in_the_middle_of_changes_disturb_neither_side(store: SqliteStore) -> None:
    end, won = threading.Event(), [0, 0, 0, 0]

    def work(number: int) -> None:
        while not end.is_set():
            assert store.swap(f"{number}.{won[number]}", None, b"a", HOUR).won
            store.get("old")
            store.add("c", 1, HOUR)
            won[number] += 1

    threads = [in_thread(lambda number=number: work(number)) for number in range(4)]
    children = [forked(lambda name=name: put(store, name) and store.add(f"by {name}", 1, HOUR)) for name in "abcde"]
    statuses = [status(child) for child in children]
    end.set()
    for thread in threads:
        thread.join()
    assert statuses == [0] * 5
    assert [n for n in range(4) if store.get(f"{n}.{won[n] - 1}") != b"a"] == []
    assert all(store.get(f"{name}{n}") == b"a" for name in "abcde" for n in range(20))


@pytest.mark.parametrize("gone", ["otp.db", "otp-counters.db"])
def test_a_child_does_not_make_a_file_anew_that_its_parent_knew(path: Path, store: SqliteStore, gone: str) -> None:
    """A worker that replaces one would begin with an empty store beside that of the others, in silence."""
    for name in (gone, f"{gone}-wal", f"{gone}-shm"):
        path.with_name(name).unlink()

    def work() -> bool:
        with pytest.raises(StoreUnavailable), closing(SqliteStore(f"sqlite:///{path}")) as own:
            own.ping()
        return not path.with_name(gone).exists()

    assert status(forked(work)) == 0
