"""The one who writes: which changes share a commit, and what becomes of those that wait."""

from __future__ import annotations

import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from otp_app.core.store import Swap
from otp_app.stores.sqlite import writer as sqlite_writer
from otp_app.stores.sqlite.file import CONNECTION_TIMEOUT
from otp_app.stores.sqlite.store import LOCK_TIMEOUT, WRITE_TIMEOUT, SqliteStore
from tests.stores.faults import HOUR, in_thread, locked, refused, until, waiting, writer_held


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "otp.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    """A store whose callers wait as long as the tests need."""
    store = SqliteStore(f"sqlite:///{path}", write_timeout=10)
    store.ping()
    yield store
    store.close()


def put(store: SqliteStore, key: str) -> bool:
    return store.swap(key, None, b"a", HOUR).won


def test_without_a_thread_to_write_nothing_waits(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose limit of processes is reached: 503, and no change that is made later."""

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with closing(SqliteStore(f"sqlite:///{path}")) as store:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", start)
            refused(lambda: put(store, "k"))
        assert put(store, "k")


def test_changes_that_wait_share_one_commit(store: SqliteStore) -> None:
    """So that they share one wait for the disk."""
    statements: list[str] = []
    store._writer.do(lambda db: db.set_trace_callback(statements.append))
    with writer_held(store):
        threads = waiting(store, [partial(put, store, f"k{n}") for n in range(8)])
        statements.clear()
    for thread in threads:
        thread.join()
    assert statements.count("COMMIT") == 2  # the one that was held, and one for all eight
    assert all(store.get(f"k{n}") == b"a" for n in range(8))


def test_swaps_that_one_thread_begins_share_one_commit(store: SqliteStore) -> None:
    """Each answers for itself."""
    put(store, "there")
    statements: list[str] = []
    store._writer.do(lambda db: db.set_trace_callback(statements.append))
    with writer_held(store):
        waits = [store.begin_swap(key, None, b"b", HOUR) for key in ("new", "there")]
        statements.clear()
    assert [wait() for wait in waits] == [Swap(won=True, found=b"b"), Swap(won=False, found=b"a")]
    assert statements.count("COMMIT") == 2  # the one that was held, and one for both


def test_swaps_that_are_begun_together_time_out_together(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """And are never made then. Each waits for what is left of its own time."""
    with writer_held(store):
        monkeypatch.setattr(store._writer, "_write_timeout", 0.0)
        waits = [store.begin_swap(f"k{n}", None, b"a", HOUR) for n in range(8)]
        monkeypatch.setattr(store._writer, "_write_timeout", 30.0)
        said = refused(*waits)
    assert all("nothing was changed" in line for line in said)
    assert [store.get(f"k{n}") for n in range(8)] == [None] * 8


def test_a_group_is_not_seen_before_its_commit(store: SqliteStore) -> None:
    put(store, "seen")

    def both(db: object) -> None:
        db.execute("UPDATE entries SET value = x'62'")  # type: ignore[attr-defined]
        assert store.get("seen") == b"a"

    store._writer.do(both)
    assert store.get("seen") == b"b"


def test_when_one_statement_fails_its_whole_group_is_refused_and_none_of_it_is_there(store: SqliteStore) -> None:
    said: list[str] = []

    def swap(key: str) -> None:
        said.extend(refused(lambda: put(store, key)))

    def fault() -> None:
        said.extend(refused(lambda: store._writer.do(lambda db: db.execute("SELECT * FROM nowhere"))))

    with writer_held(store):
        threads = waiting(store, [partial(swap, "before"), fault, partial(swap, "after")])
    for thread in threads:
        thread.join()
    assert len(said) == 3
    assert all("SQLITE_ERROR" in line for line in said)
    assert store.get("before") is store.get("after") is None
    assert put(store, "before")


def test_when_there_is_no_room_for_all_of_a_group_none_of_it_is_there(store: SqliteStore) -> None:
    said: list[str] = []

    def swap(number: int) -> None:
        said.extend(refused(lambda: store.swap(f"k{number}", None, b"x" * 4000, HOUR)))

    store._writer.do(lambda db: db.execute("PRAGMA max_page_count = 9"))  # room for some of them, not for all
    with writer_held(store):
        threads = waiting(store, [partial(swap, n) for n in range(8)])
    for thread in threads:
        thread.join()
    assert len(said) == 8
    assert all("SQLITE_FULL" in line for line in said)
    assert [n for n in range(8) if store.get(f"k{n}")] == []


def test_a_callers_own_error_is_his_alone(store: SqliteStore) -> None:
    won: list[bool] = []

    def mistake() -> None:
        with pytest.raises(UnicodeEncodeError):
            put(store, "\ud800")

    with writer_held(store):
        threads = waiting(store, [lambda: won.append(put(store, "a")), mistake, lambda: won.append(put(store, "b"))])
    for thread in threads:
        thread.join()
    assert won == [True, True]


def test_a_change_gets_its_turn_though_another_process_hardly_leaves_the_file(store: SqliteStore, path: Path) -> None:
    """As one does that makes changes all the time on a slow disk."""
    held, end = threading.Event(), threading.Event()

    def change() -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            while not end.is_set():
                other.execute("BEGIN IMMEDIATE")
                held.set()
                time.sleep(0.095)
                other.execute("COMMIT")
                time.sleep(0.005)

    thread = in_thread(change)
    held.wait()
    begun = time.monotonic()
    try:
        assert put(store, "k")
    finally:
        end.set()
        thread.join()
    assert time.monotonic() - begun < 1


def test_a_caller_that_waits_in_vain_withdraws_its_change(path: Path) -> None:
    """It was refused; made later it would be a ghost."""
    store = SqliteStore(f"sqlite:///{path}", lock_timeout=5, write_timeout=0.1)
    store.ping()
    with locked(path):
        assert "nothing was changed" in refused(lambda: put(store, "ghost"))[0]
        assert store._writer._waiting == []
    store._writer._write_timeout = 5
    assert put(store, "k")
    assert store.get("ghost") is None
    store.close()


def test_a_caller_that_gives_up_on_a_change_under_way_learns_it(store: SqliteStore) -> None:
    """The answer is that nobody knows: the change is made all the same."""
    go = threading.Event()

    def slow(db: object) -> None:
        db.execute("INSERT INTO entries VALUES ('k', 'a', 1e12)")  # type: ignore[attr-defined]
        go.wait(5)

    store._writer._write_timeout = 0.1
    assert "may have been made" in refused(lambda: store._writer.do(slow))[0]
    go.set()
    until(lambda: store.get("k"))


def test_no_more_than_so_many_changes_wait(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_writer, "MOST_WAITING", 2)
    with writer_held(store):
        threads = waiting(store, [partial(put, store, key) for key in "ab"])
        assert "too many" in refused(lambda: put(store, "c"))[0]
    for thread in threads:
        thread.join()
    assert [store.get(key) for key in "abc"] == [b"a", b"a", None]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_died_is_replaced(store: SqliteStore) -> None:
    store._writer._write_timeout = 0.2
    dead = store._writer._thread
    assert "may have been made" in refused(lambda: store._writer.do(lambda _: sys.exit()))[0]
    until(lambda: dead and not dead.is_alive())
    store._writer._write_timeout = 5
    assert put(store, "k")


# ---- changes that no caller waits for


def later(store: SqliteStore, new: bytes = b"b") -> list[Swap | None]:
    """Put a value in the place of `a`, later; the list gets the answer."""
    answers: list[Swap | None] = []
    store.swap_later("k", b"a", new, HOUR, answers.append)
    return answers


def test_a_later_swap_is_made_soon(store: SqliteStore) -> None:
    """While the writer sleeps, and while it still waits for company."""
    put(store, "k")
    until(lambda: store._writer._asleep)
    for old, new in ((b"a", b"b"), (b"b", b"a")):
        answers: list[Swap | None] = []
        store.swap_later("k", old, new, HOUR, answers.append)
        until(lambda answers=answers: answers)
        assert answers == [Swap(won=True, found=new)]


def test_who_reads_or_swaps_after_a_later_swap_finds_it_made(store: SqliteStore) -> None:
    put(store, "k")
    answers, found = [], []
    with writer_held(store):
        answers += [later(store)]
        reader = in_thread(lambda: found.append(store.get("k")))
        until(lambda: len(store._writer._waiting) == 2)
    reader.join()
    assert (found, answers) == ([b"b"], [[Swap(won=True, found=b"b")]])
    with writer_held(store):
        store.swap_later("k", b"b", b"c", HOUR, lambda _: None)
        store.swap_later("other", None, b"b", HOUR, lambda _: None)
        swapper = waiting(store, [lambda: found.append(store.swap("k", b"c", b"d", HOUR).found)])
    swapper[0].join()
    assert found == [b"b", b"d"]


def test_a_later_swap_that_loses_says_what_is_there(store: SqliteStore) -> None:
    store.swap("k", None, b"z", HOUR)
    answers = later(store)
    assert store.get("k") == b"z"
    until(lambda: answers)
    assert answers == [Swap(won=False, found=b"z")]


def test_a_later_swap_of_a_group_that_fails_is_not_made_and_says_so(store: SqliteStore) -> None:
    put(store, "k")
    with writer_held(store):
        answers = later(store)
        threads = waiting(store, [lambda: refused(lambda: store._writer.do(lambda db: db.execute("SELECT nowhere")))])
    threads[0].join()
    until(lambda: answers)
    assert answers == [None]
    assert store.get("k") == b"a"
    assert not store._writer.is_later("k")


def test_a_later_swap_waits_for_the_commit_of_another_change(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_writer, "SOON", 30)
    statements: list[str] = []
    store._writer.do(lambda db: db.set_trace_callback(statements.append))
    put(store, "k")
    until(lambda: statements.count("COMMIT") == 2)
    with monkeypatch.context() as patch:
        patch.setattr(store._writer, "_ring", lambda: pytest.fail("the writer is not to be woken"))
        answers = later(store)
    assert put(store, "other")
    until(lambda: answers)
    assert statements.count("COMMIT") == 3


def test_where_many_later_swaps_are_not_made_yet_the_caller_of_one_more_waits(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_writer, "SOON", 30)  # only who waits wakes the writer
    made: list[str] = []

    def put_later(key: str) -> None:
        store.swap_later(key, None, b"a", HOUR, lambda _: made.append(key))

    with writer_held(store):
        for n in range(sqlite_writer.MOST_LATER):
            put_later(f"k{n}")
        one_more = in_thread(lambda: put_later("k"))
        until(lambda: store._writer.is_later("k"))
        assert one_more.is_alive()
    one_more.join(5)
    assert not one_more.is_alive()
    until(lambda: len(made) == sqlite_writer.MOST_LATER + 1)


def test_the_writer_does_not_wait_for_itself(store: SqliteStore) -> None:
    """Where many later swaps lose at the same time, and each is made anew by the writer's own thread."""
    made: list[Swap | None] = []

    def again(n: int, _: Swap | None) -> None:
        store.swap_later(f"k{n}", None, b"a", HOUR, made.append)

    with writer_held(store):
        threads = [in_thread(partial(store.swap_later, f"k{n}", b"lost", b"b", HOUR, partial(again, n)))
                   for n in range(2 * sqlite_writer.MOST_LATER)]
        until(lambda: len(store._writer._later) == len(threads))
    until(lambda: len(made) == len(threads))
    assert all(swap and swap.won for swap in made)


def test_close_makes_a_later_swap(path: Path, store: SqliteStore) -> None:
    put(store, "k")
    answers = later(store)
    store.close()
    assert answers == [Swap(won=True, found=b"b")]
    assert "closed" in refused(lambda: later(store))[0]
    with closing(SqliteStore(f"sqlite:///{path}")) as again:
        assert again.get("k") == b"b"


# ---- its end


def test_close_makes_the_changes_that_wait(path: Path, store: SqliteStore) -> None:
    won: list[bool] = []
    with writer_held(store):
        threads = waiting(store, [lambda: won.append(put(store, "k"))])
        threads.append(in_thread(store.close))
        until(lambda: store._writer._closed)
    for thread in threads:
        thread.join()
    again = SqliteStore(f"sqlite:///{path}")
    assert (won, again.get("k")) == ([True], b"a")
    again.close()


def test_close_waits_for_the_thread(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteStore(f"sqlite:///{path}")
    something_waits = store._writer._something_waits
    monkeypatch.setattr(store._writer, "_something_waits", lambda: something_waits() or time.sleep(0.05))
    store.ping()
    thread = store._writer._thread
    store.close()
    assert thread
    assert not thread.is_alive()


def test_close_leaves_no_file_open(path: Path) -> None:
    """The last to close takes SQLite's -wal and -shm away."""
    store = SqliteStore(f"sqlite:///{path}")
    store.ping()
    assert len(list(path.parent.iterdir())) == 6
    store.close()
    assert sorted(file.name for file in path.parent.iterdir()) == ["otp-counters.db", "otp.db"]


def test_a_store_that_was_not_used_starts_no_thread(path: Path) -> None:
    before = threading.active_count()
    SqliteStore(f"sqlite:///{path}").close()
    assert threading.active_count() == before


def test_every_wait_ends_within_the_contracts_three_seconds() -> None:
    assert LOCK_TIMEOUT + CONNECTION_TIMEOUT < 3
    assert WRITE_TIMEOUT < 3


def test_who_gets_no_turn_at_a_connection_is_refused(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otp_app.stores.sqlite.file.CONNECTION_TIMEOUT", 0.05)
    with store._reader:
        assert "too many" in refused(lambda: store.get("k"))[0]
    with store._counters:
        assert "too many" in refused(lambda: store.add("k", 1, HOUR))[0]
    assert store.get("k") is None
