"""SQLite's own faults, on real files: each is StoreUnavailable, and over as soon as its cause is."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from otp_app.core.errors import StoreUnavailable
from otp_app.stores.sqlite import SqliteStore

HOUR = 3600.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "var" / "otp.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(f"sqlite:///{path}", busy=0.05, patience=0.3)
    store.swap("old", None, b"a", HOUR)
    store.add("c", 1, HOUR)
    yield store
    store.close()


def refused(*calls: Callable[[], object]) -> list[str]:
    """Call each; return what each StoreUnavailable says."""
    said = []
    for call in calls:
        with pytest.raises(StoreUnavailable) as fault:
            call()
        said.append(str(fault.value))
    return said


def until(true: Callable[[], object]) -> None:
    """Wait, two seconds at most."""
    for _ in range(2000):
        if true():
            return
        time.sleep(0.001)
    raise AssertionError("it did not come true")


@pytest.fixture
def patient(path: Path) -> Iterator[SqliteStore]:
    """A store whose callers wait as long as the tests below need."""
    store = SqliteStore(f"sqlite:///{path}", patience=10)
    store.ping()
    yield store
    store.close()


@contextmanager
def busy_writer(store: SqliteStore) -> Iterator[None]:
    """While it lasts the writer is in the middle of a change."""
    begun, gate = threading.Event(), threading.Event()
    slow = in_thread(lambda: store._writer.do(lambda db: begun.set() or gate.wait(2)))
    begun.wait(2)
    yield
    gate.set()
    slow.join()


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


# ---- files


def test_files_and_their_folder_are_the_owners_alone(store: SqliteStore, path: Path) -> None:
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_default_waits_for_the_disk(store: SqliteStore, path: Path) -> None:
    """WAL with synchronous FULL (2): a commit that was answered survives a power cut."""
    with store._reader as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store._writer.do(lambda db: db.execute("PRAGMA synchronous").fetchone()) == (2,)


@pytest.mark.parametrize(("name", "number"), [("OFF", 0), ("NORMAL", 1), ("FULL", 2)])
def test_a_parameter_relaxes_it(path: Path, name: str, number: int) -> None:
    store = SqliteStore(f"sqlite:///{path}?synchronous={name}")
    assert store._writer.do(lambda db: db.execute("PRAGMA synchronous").fetchone()) == (number,)
    store.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///var/", "sqlite://host/otp.db",
                                 "sqlite:///otp.db?synchronous=EXTRA", "sqlite:///otp.db?sync=FULL"])  # fmt: skip
def test_a_url_that_names_no_store_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="sqlite:///"):
        SqliteStore(url)


def test_a_database_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "theirs.db"
    with sqlite3.connect(file) as db:
        db.execute("CREATE TABLE entries (theirs TEXT)")
    db.close()
    store = SqliteStore(f"sqlite:///{file}")
    assert "not a store" in refused(store.ping)[0]
    store.close()


def test_a_newer_format_is_refused(path: Path, store: SqliteStore) -> None:
    store.close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 2")
    db.close()
    again = SqliteStore(f"sqlite:///{path}")
    assert "newer" in refused(again.ping)[0]
    again.close()


# ---- locked


def test_while_another_process_writes_changes_are_refused_and_reads_go_on(store: SqliteStore, path: Path) -> None:
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        said = refused(lambda: store.swap("k", None, b"a", HOUR), store.ping, lambda: store.sweep(10))
        assert "SQLITE_BUSY" in said[0]
        assert store.get("old") == b"a"
        other.execute("COMMIT")
    other.close()
    assert store.swap("k", None, b"b", HOUR).won


def test_a_change_whose_caller_gave_up_is_never_made(path: Path) -> None:
    """It was refused; made later it would be a ghost."""
    store = SqliteStore(f"sqlite:///{path}", busy=5, patience=0.1)
    store.ping()
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        assert "nothing was changed" in refused(lambda: store.swap("ghost", None, b"a", HOUR))[0]
        other.execute("COMMIT")
    other.close()
    assert store.swap("k", None, b"a", HOUR).won
    assert store.get("ghost") is None
    store.close()


def test_a_counter_that_cannot_be_written_is_refused(store: SqliteStore, path: Path) -> None:
    with sqlite3.connect(path.with_name("otp-counters.db"), isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        refused(lambda: store.add("c", 1, HOUR))
        other.execute("COMMIT")
    other.close()
    assert store.add("c", 1, HOUR) == 2


# ---- groups


def test_changes_that_wait_share_one_commit(patient: SqliteStore) -> None:
    """All that came while the writer was busy are one transaction: a reader sees all of them or none."""
    store, commits = patient, list[str]()
    store._writer.do(lambda db: db.set_trace_callback(commits.append))
    with busy_writer(store):
        swaps = [in_thread(lambda n=n: store.swap(f"k{n}", None, b"a", HOUR)) for n in range(8)]
        until(lambda: len(store._writer._waiting) == 8)
        commits.clear()
    for swap in swaps:
        swap.join()
    assert commits.count("COMMIT") == 2  # the slow one's, and one for all eight
    assert all(store.get(f"k{n}") == b"a" for n in range(8))


def test_when_a_commit_fails_its_whole_group_is_refused_and_none_of_it_is_there(patient: SqliteStore) -> None:
    store = patient
    said: list[str] = []

    def swap(number: int) -> None:
        said.extend(refused(lambda: store.swap(f"k{number}", None, b"x" * 4000, HOUR)))

    store._writer.do(lambda db: db.execute("PRAGMA max_page_count = 9"))  # room for some of them, not for all
    with busy_writer(store):
        swaps = [in_thread(lambda n=n: swap(n)) for n in range(8)]
        until(lambda: len(store._writer._waiting) == 8)
    for thread in swaps:
        thread.join()
    assert len(said) == 8
    assert all("SQLITE_FULL" in line for line in said)
    assert [n for n in range(8) if store.get(f"k{n}")] == []


def test_a_full_file_refuses_and_works_again_when_there_is_room(store: SqliteStore) -> None:
    store._writer.do(lambda db: db.execute("PRAGMA max_page_count = 1"))  # cut to what the file has
    assert "SQLITE_FULL" in refused(lambda: store.swap("k", None, b"x" * 8000, HOUR))[0]
    # The failed commit closed the connection, and the limit with it.
    assert store.swap("k", None, b"x" * 4000, HOUR).won
    assert store.get("old") == b"a"


# ---- files that go bad


@pytest.mark.parametrize("offset", [0, 100], ids=["header", "first page"])
def test_a_corrupt_file_is_a_fault_and_no_empty_store(path: Path, store: SqliteStore, offset: int) -> None:
    store.close()
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(os.urandom(3000))
    again = SqliteStore(f"sqlite:///{path}", patience=0.3)
    said = refused(again.ping, lambda: again.get("old"), lambda: again.swap("k", None, b"a", HOUR))
    assert all("SQLITE_NOTADB" in line or "SQLITE_CORRUPT" in line or "not a store" in line for line in said)
    again.close()


def test_a_file_that_vanished_is_a_fault_until_it_is_back(path: Path, store: SqliteStore) -> None:
    """SQLite would go on writing into the deleted file, and forget all of it at the end."""
    aside = path.with_name("aside.db")
    store._writer.do(lambda db: db.execute("PRAGMA user_version"))
    path.rename(aside)
    refused(store.ping, lambda: store.swap("k", None, b"a", HOUR))
    aside.rename(path)
    assert store.swap("k", None, b"a", HOUR).won


def test_no_fault_names_a_path_or_a_value(path: Path, store: SqliteStore) -> None:
    path.rename(path.with_name("aside.db"))
    said = refused(lambda: store.swap("secret-key", None, b"secret-value", HOUR), store.ping)
    assert not [line for line in said if str(path) in line or "secret" in line]


def test_a_closed_store_refuses(path: Path) -> None:
    store = SqliteStore(f"sqlite:///{path}")
    store.ping()
    store.close()
    refused(store.ping, lambda: store.get("k"), lambda: store.swap("k", None, b"a", HOUR), lambda: store.add("c", 1, 1))


def test_close_makes_the_changes_that_wait(path: Path) -> None:
    store = SqliteStore(f"sqlite:///{path}")
    store.ping()
    won: list[bool] = []
    with busy_writer(store):
        waiting = in_thread(lambda: won.append(store.swap("k", None, b"a", HOUR).won))
        until(lambda: store._writer._waiting)
        closing = in_thread(store.close)
    for thread in (waiting, closing):
        thread.join()
    again = SqliteStore(f"sqlite:///{path}")
    assert (won, again.get("k")) == ([True], b"a")
    again.close()


# ---- forks


def test_a_forked_child_and_its_parent_both_write(path: Path, store: SqliteStore) -> None:
    """gunicorn may open the store before it forks; neither may lose the other's changes."""
    child = os.fork()
    if not child:
        status = 1
        try:
            done = all(store.swap(f"child{n}", None, b"a", HOUR).won for n in range(20))
            status = int(not (done and store.get("old") == b"a"))
            store.close()
        finally:
            os._exit(status)
    done = all(store.swap(f"parent{n}", None, b"a", HOUR).won for n in range(20))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert done
    assert [store.get(f"{who}{n}") for who in ("child", "parent") for n in range(20)] == [b"a"] * 40
