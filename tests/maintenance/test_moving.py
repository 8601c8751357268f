"""Moving all records to another store: what is refused, and what a fault leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from otp_app.core.errors import StoreUnavailable
from otp_app.core.moving import Freeze, Item
from otp_app.maintenance import copy
from otp_app.maintenance.copy import CannotMove
from otp_app.stores.sqlite.store import SqliteStore
from tests.running import ROOT

HOUR = 3600.0
RECORDS = 2500


def nothing(done: int, total: int) -> None:
    """Progress that nobody looks at."""


@pytest.fixture(autouse=True)
def hasty(monkeypatch) -> None:
    """These stores refuse nothing after a fault that they could do."""
    monkeypatch.setattr(copy, "SETTLE", 0.0)


@pytest.fixture
def new(tmp_path) -> Iterator[Callable[..., SqliteStore]]:
    """Call it with a name to get the store of that name, which waits for no disk."""
    with ExitStack() as opened:

        def store(name: str, clock: Callable[[], float] = time.time) -> SqliteStore:
            url = f"sqlite:///{tmp_path}/{name}.db?synchronous=OFF"
            return opened.enter_context(closing(SqliteStore(url, clock)))

        yield store


@pytest.fixture
def full(new) -> SqliteStore:
    """A store with records, counters among them."""
    store = new("full")
    store.load([Item(f"k{n}", b"%d" % n, HOUR) for n in range(RECORDS - 1)] + [Item("c", 3, HOUR)])
    return store


@pytest.fixture
def empty(new) -> SqliteStore:
    return new("empty")


def content(store) -> dict[str, bytes | int]:
    return {item.key: item.value for item in store.scan()}


def usable(store) -> bool:
    """Whether it takes changes."""
    try:
        return store.swap("probe", None, b"x", HOUR).won and store.swap("probe", b"x", None, HOUR).won
    except StoreUnavailable:
        return False


# ---- what a copy does


def test_a_copy_has_everything_and_takes_over(full, empty) -> None:
    """The second store is the one in use then, and the first takes nothing any more."""
    before = content(full)
    assert copy.copy_records(full, empty, nothing) == RECORDS
    assert content(empty) == content(full) == before
    assert (usable(full), usable(empty)) == (False, True)
    assert (full.frozen(), empty.frozen()) == (Freeze.MOVED, None)


def test_lives_go_on(new, empty) -> None:
    """What had so long left has it there too, to the minute."""
    store = new("short")
    store.load([Item("k", b"x", 6000.0), Item("k", 1, 5000.0)])
    copy.copy_records(store, empty, nothing)
    assert [item.ttl for item in empty.scan()] == pytest.approx([6000, 5000], abs=60)


@pytest.mark.parametrize("count", [1, 999, 1000, 1001, 3000])
def test_progress_begins_at_nothing_and_ends_with_all(new, empty, count) -> None:
    """Whatever the number is, the end is reported once, and nothing before is as much as the whole."""
    store, reported = new("some"), []
    store.load([Item(f"k{n}", b"x", HOUR) for n in range(count)])
    copy.copy_records(store, empty, lambda done, total: reported.append((done, total)))
    assert reported == [(done, count) for done in range(0, count, 1000)] + [(count, count)]


def test_progress_ends_with_all_where_the_size_was_an_attempt(full, empty, monkeypatch) -> None:
    """A server may count what is none of ours, or not count what is new."""
    for attempt in (RECORDS + 2, RECORDS - 2, 0):
        reported: list[tuple[int, int]] = []
        monkeypatch.setattr(full, "size", lambda attempt=attempt: attempt)
        copy.copy_records(full, empty, lambda done, total, reported=reported: reported.append((done, total)))
        assert [done == total for done, total in reported] == [False] * (len(reported) - 1) + [True]
        empty.freeze(Freeze.FILLING)
        full.thaw()


def test_it_may_all_die_on_the_way(new, empty) -> None:
    """Codes live minutes: nothing to copy is no fault, once it has begun."""
    now = [1000.0]
    store = new("short", lambda: now[0])
    store.load([Item("k", b"x", 60.0)])
    store.size = lambda: now.append(now.pop() + 100) or 1
    reported: list[tuple[int, int]] = []
    assert copy.copy_records(store, empty, lambda *progress: reported.append(progress)) == 0
    assert (reported, empty.frozen()) == ([(0, 0)], None)


# ---- what is refused


def test_an_empty_source_is_refused(new, empty) -> None:
    """It is a mistyped URL more often than not; both go on."""
    store = new("nothing")
    with pytest.raises(CannotMove, match="first store is empty"):
        copy.copy_records(store, empty, nothing)
    assert usable(store)
    assert usable(empty)


@pytest.mark.parametrize("item", [Item("k", b"mine", HOUR), Item("k", 1, HOUR)])
def test_a_target_that_is_not_empty_is_refused(full, empty, item) -> None:
    """It is left as it is, and the source goes on."""
    empty.load([item])
    with pytest.raises(CannotMove, match="second store is not empty"):
        copy.copy_records(full, empty, nothing)
    assert content(empty) == {"k": item.value}
    assert usable(full)
    assert usable(empty)


def test_a_target_that_is_being_copied_elsewhere_is_refused(full, empty) -> None:
    """Its records are in use, though it is frozen."""
    empty.load([Item("k", b"mine", HOUR)])
    empty.freeze(Freeze.MOVING)
    with pytest.raises(CannotMove, match="second store is not empty"):
        copy.copy_records(full, empty, nothing)
    assert content(empty) == {"k": b"mine"}


@pytest.mark.parametrize("how", [Freeze.MOVED, Freeze.FILLING])
def test_a_source_that_is_not_whole_is_refused(full, empty, how) -> None:
    """What it has is old, or a part."""
    full.freeze(how)
    with pytest.raises(CannotMove, match="out of date or incomplete"):
        copy.copy_records(full, empty, nothing)
    assert full.frozen() == how
    assert content(empty) == {}


def test_a_source_that_is_being_copied_is_refused(full, empty, new) -> None:
    """Two copies at once would make two stores of one, or empty the same target under each other."""

    def second(done: int, total: int) -> None:
        for target in (empty, new("other")):
            with pytest.raises(CannotMove, match="is reading the first store"):
                copy.copy_records(full, target, nothing)

    assert copy.copy_records(full, empty, second) == len(content(empty)) == RECORDS


def test_a_store_cannot_be_copied_to_itself(full, new) -> None:
    """By no spelling of its URL, and it goes on."""
    before = content(full)
    for same in (full, new("../" + Path(full._reader._file._path).parent.name + "/full")):
        with pytest.raises(CannotMove):
            copy.copy_records(full, same, nothing)
    assert usable(full)
    assert content(full) == before


def test_there_and_back(full, empty) -> None:
    """What was moved away may be moved back; in between, used codes are forgotten nowhere."""
    copy.copy_records(full, empty, nothing)
    empty.swap("k1", b"1", b"used", HOUR)
    empty.swap("k2", b"2", None, HOUR)
    copy.copy_records(empty, full, nothing)
    assert content(full) == content(empty)
    assert (full.get("k1"), full.get("k2")) == (b"used", None)
    assert (usable(full), usable(empty)) == (True, False)


def test_once_moved_it_cannot_be_copied_elsewhere(full, empty, new) -> None:
    """Codes used at the second place would work again at the third."""
    copy.copy_records(full, empty, nothing)
    with pytest.raises(CannotMove, match="out of date"):
        copy.copy_records(full, new("third"), nothing)
    assert usable(empty)


def test_a_store_thawed_meanwhile_is_not_moved(full, empty) -> None:
    """What was used after the thaw would be unused at the second place."""
    with pytest.raises(CannotMove, match="thawed meanwhile"):
        copy.copy_records(full, empty, lambda done, total: copy.thaw(full))
    assert (usable(full), empty.frozen()) == (True, Freeze.FILLING)


def test_of_two_copies_one_counts(full, empty, new) -> None:
    """The one that is overtaken does not thaw what the other has moved."""
    other, overtaken = new("other"), iter([False, True])

    def overtake(done: int, total: int) -> None:
        if next(overtaken, False):
            full.thaw()
            copy.copy_records(full, other, nothing)

    with pytest.raises(CannotMove, match="so this copy stops"):
        copy.copy_records(full, empty, overtake)
    assert (usable(full), usable(empty), usable(other)) == (False, False, True)


def test_a_copy_whose_target_another_one_took_gives_its_source_back(full, empty, new) -> None:
    """The other one may even have ended: nothing of this source is in the target, so the source is used as before."""
    other = new("other")
    other.load([Item("other", b"x", HOUR)])

    def overtake(done: int, total: int) -> None:
        if done == total:
            copy.copy_records(other, empty, nothing)

    with pytest.raises(CannotMove, match="thawed meanwhile"):
        copy.copy_records(full, empty, overtake)
    assert (usable(full), usable(other), content(empty)) == (True, False, {"other": b"x"})


def test_a_freeze_of_a_newer_version_refuses_everything() -> None:
    """In a rolling update an older server may meet it."""
    assert Freeze("archived") == Freeze.MOVED


# ---- thaw


def test_a_copy_given_up_can_be_thawed(full) -> None:
    full.freeze(Freeze.MOVING)
    copy.thaw(full)
    assert usable(full)


@pytest.mark.parametrize("how", [Freeze.MOVED, Freeze.FILLING])
def test_what_is_old_or_a_part_is_never_thawed(full, how) -> None:
    full.freeze(how)
    with pytest.raises(CannotMove):
        copy.thaw(full)
    assert full.frozen() == how


# ---- faults


#: The calls of a copy, by step: so many there are on the one side or the other.
STEPS = {"freeze": 3, "clear": 1, "load": 2, "thaw": 1, "size": 1, "scan": 3, "hold": 2}


def broken(store, step: str, at: int, error: type[BaseException], done: bool) -> None:
    """Let the `at`-th call of a step fail: before it does anything, or (`done`) after it did all, as a lost answer."""
    real, calls = getattr(store, step), iter(range(100))

    def call(*arguments: object) -> object:
        if next(calls) != at:
            return real(*arguments)
        if done:
            real(*arguments)
        raise error("gone")

    setattr(store, step, call)


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("error", [StoreUnavailable, KeyboardInterrupt])
@pytest.mark.parametrize("side", ["source", "target"])
def test_whatever_fails_there_is_one_store_to_use(new, side, error, done) -> None:
    """Any call of either store fails or is interrupted: never are both usable, and a second try or a thaw helps."""
    for number, (step, at) in enumerate((step, at) for step, calls in STEPS.items() for at in range(calls)):
        first, second = new(f"first{number}"), new(f"second{number}")
        first.load([Item(f"k{n}", b"%d" % n, HOUR) for n in range(1100)])
        hurt = first if side == "source" else second
        broken(hurt, step, at, error, done)
        with suppress(StoreUnavailable, CannotMove, KeyboardInterrupt):
            copy.copy_records(first, second, nothing)
        vars(hurt).pop(step)
        recover(first, second)
        assert (usable(first), usable(second)) == (False, True), (step, at)
        assert len(content(second)) == 1100


def recover(first, second) -> None:
    """What an operator does after a fault, by the states alone."""
    if first.frozen() == Freeze.MOVED:
        if second.frozen():
            copy.thaw(second)
        return
    assert second.frozen() == Freeze.FILLING or not content(second), "both can be used, or could be thawed"
    assert usable(first)
    copy.copy_records(first, second, nothing)


def test_a_source_that_cannot_be_thawed_says_so(full, empty) -> None:
    """The operator has to, once it is back."""
    broken(empty, "load", 1, KeyboardInterrupt, done=False)
    broken(full, "thaw", 0, StoreUnavailable, done=False)
    with pytest.raises(CannotMove, match=r"gone\. The first store is still frozen; run `store thaw`"):
        copy.copy_records(full, empty, nothing)


def test_a_target_that_cannot_be_opened_says_so(full, empty) -> None:
    """All is there: a thaw of the second is what is left to do, and the first stays frozen."""
    broken(empty, "thaw", 0, StoreUnavailable, done=False)
    with pytest.raises(CannotMove, match="All is copied; run `store thaw` on the second store"):
        copy.copy_records(full, empty, nothing)
    assert (usable(full), usable(empty)) == (False, False)
    del empty.thaw
    copy.thaw(empty)
    assert (usable(full), usable(empty), len(content(empty))) == (False, True, RECORDS)


SLOW_COPY = """
import sys, time
from otp_app.maintenance import copy
from otp_app.stores import open_store
def progress(done, total):
    print(done, flush=True)
    if done: sys.stdin.read()
copy.copy_records(open_store(sys.argv[1]), open_store(sys.argv[2]), progress)
"""


def test_killed_in_the_middle_it_can_be_done_again(full, empty, tmp_path) -> None:
    """The freeze outlives the copy; a thaw lets servers go on, and another copy begins anew."""
    command = [sys.executable, "-c", SLOW_COPY, f"sqlite:///{tmp_path}/full.db", f"sqlite:///{tmp_path}/empty.db"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert [running.stdout.readline() for _ in range(2)] == ["0\n", "1000\n"]  # type: ignore[union-attr]
        os.kill(running.pid, signal.SIGKILL)
    assert (full.frozen(), empty.frozen()) == (Freeze.MOVING, Freeze.FILLING)
    with pytest.raises(CannotMove, match="is incomplete"):
        copy.thaw(empty)
    copy.thaw(full)
    full.swap("k1", b"1", b"used", HOUR)
    full.swap("k2", b"2", None, HOUR)
    assert copy.copy_records(full, empty, nothing) == RECORDS - 1
    assert (empty.get("k1"), empty.get("k2")) == (b"used", None)
