"""Several copies at the same time, each in a process of its own: one goes on, the others change nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from multiprocessing.connection import Connection

import pytest

from otp_app.core.errors import StoreUnavailable
from otp_app.core.moving import Freeze, Hold, Item
from otp_app.maintenance import copy
from otp_app.maintenance.copy import CannotMove
from otp_app.stores import open_store
from tests.forking import functions
from tests.rounds import rounds

HOUR = 3600.0
COPIERS, ROUNDS = 3, rounds(2, 20)
KINDS = ("sqlite", "redis", "postgres")


def copy_on(orders: Connection) -> None:
    """Copy from the URL to the URL that each order names; answer "copied", or why not."""
    copy.SETTLE = 0.0
    while order := orders.recv():
        with closing(open_store(order[0])) as source, closing(open_store(order[1])) as target:
            source.ping()
            orders.send("ready")
            orders.recv()
            try:
                copy.copy_records(source, target, lambda done, total: None)
                orders.send("copied")
            except (CannotMove, StoreUnavailable) as error:
                orders.send(str(error))


@pytest.fixture(scope="module")
def copiers() -> Iterator[list[Connection]]:
    """Processes that copy on command."""
    forks, ours, processes = functions(), [], []
    for _ in range(COPIERS):
        here, there = forks.Pipe()
        processes.append(forks.Process(target=copy_on, args=(there,)))
        processes[-1].start()
        ours.append(here)
    yield ours
    for process in processes:
        process.terminate()
        process.join()


def race(copiers: list[Connection], orders: list[tuple[str, str]]) -> list[str]:
    """What became of copies that begin at the same moment."""
    for answer in (None, "go"):
        for copier, order in zip(copiers, orders, strict=True):
            copier.send(answer or order)
        said = [copier.recv() if copier.poll(30) else "silent" for copier in copiers]
    return said


def usable(url: str) -> bool:
    """Whether the store takes changes."""
    with closing(open_store(url)) as store:
        try:
            return store.swap("probe", None, b"x", HOUR).won and store.swap("probe", b"x", None, HOUR).won
        except StoreUnavailable:
            return False


def fill(url: str, name: str) -> str:
    with closing(open_store(url)) as store:
        store.load([Item(f"{name}{n}", b"x", HOUR) for n in range(50)])  # type: ignore[attr-defined]
    return url


@pytest.mark.parametrize("kind", KINDS)
def test_of_copies_from_one_store_one_goes_on(kind: str, new_store: Callable[[str], str], copiers) -> None:
    """The others name the copy that holds the store; in the end one store of all can be used."""
    for _ in range(ROUNDS):
        source, targets = fill(new_store(kind), "k"), [new_store(kind) for _ in copiers]
        said = race(copiers, [(source, target) for target in targets])
        assert said.count("copied") == 1, said
        assert not usable(source)
        for what, url in zip(said, targets, strict=True):
            assert what == "copied" or "being copied" in what or "out of date" in what or "another copy" in what
            assert len(content(url)) == (50 if what == "copied" else 0)


def content(url: str) -> set[str]:
    with closing(open_store(url)) as store:
        return {item.key for item in store.scan()}  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", KINDS)
def test_of_copies_to_one_store_one_goes_on(kind: str, new_store: Callable[[str], str], copiers) -> None:
    """It has the records of that source alone; the other sources can be used as before."""
    for _ in range(ROUNDS):
        target, sources = new_store(kind), [fill(new_store(kind), f"s{n}-") for n in range(COPIERS)]
        said = race(copiers, [(source, target) for source in sources])
        assert said.count("copied") == 1, said
        winner = said.index("copied")
        assert [usable(url) for url in sources] == [n != winner for n in range(COPIERS)], said
        assert usable(target)
        assert content(target) == {f"s{winner}-{n}" for n in range(50)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_freeze_changes_only_from_what_was_seen(kind: str, new_store: Callable[[str], str]) -> None:
    """Load, clear and thaw look at who made it, too; a name that ends with 0 comes back whole."""
    with closing(open_store(new_store(kind))) as store:
        mine, other = Hold(Freeze.FILLING, "host-1-a0"), Hold(Freeze.FILLING, "host-2-b")
        assert store.freeze(mine.how, mine.by, None)
        assert not store.freeze(other.how, other.by, None)
        assert store.hold() == mine
        store.load([Item("k", b"x", HOUR), Item("k", 1, HOUR)], mine.by)
        for change in (lambda: store.load([Item("l", b"x", HOUR)], other.by), lambda: store.clear(other.by)):
            with pytest.raises(StoreUnavailable, match="another copy"):
                change()
        assert not store.thaw(other)
        assert {item.key for item in store.scan()} == {"k"}
        assert store.freeze(other.how, other.by, mine)
        assert not store.thaw(mine)
        assert store.thaw(other)
        with pytest.raises(StoreUnavailable, match="thawed"):
            store.load([], mine.by)
