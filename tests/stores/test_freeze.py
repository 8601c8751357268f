"""A freeze is one moment, for all processes: what was won before it is there, and nothing is won after it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from multiprocessing.connection import Connection

import pytest

from otp_app.core.errors import StoreUnavailable
from otp_app.core.moving import Freeze
from otp_app.stores import open_store
from tests.forking import functions
from tests.patience import wait_long
from tests.rounds import rounds
from tests.stores.faults import refused, until

HOUR = 3600.0
RACERS, ROUNDS = 4, rounds(10, 100)


def swap_on(url: str, number: int, orders: Connection) -> None:
    """At "go" win swaps one after another until one is refused; answer how many were won, and go on at the next."""
    wait_long()
    store, won = open_store(url), 0
    while orders.recv():
        value = None if won == 0 else b"%d" % won
        try:
            while (swap := store.swap(f"racer{number}", value, b"%d" % (won + 1), HOUR)).won:
                won += 1
                value = b"%d" % won
                time.sleep(0.0005)  # or SQLite lets one process starve behind the others
            orders.send(f"lost to {swap.found!r}")
        except StoreUnavailable as error:
            orders.send((won, str(error)))
    store.close()


@pytest.fixture
def racers(shared_place) -> Iterator[list[Connection]]:
    """Four processes that swap on command."""
    forks, ours = functions(), []
    processes = []
    for number in range(RACERS):
        here, there = forks.Pipe()
        processes.append(forks.Process(target=swap_on, args=(shared_place.url, number, there)))
        processes[-1].start()
        ours.append(here)
    yield ours
    for process in processes:
        process.terminate()
        process.join()


@pytest.mark.parametrize("shared_place", ["sqlite", "redis", "postgres"], indirect=True)
def test_a_freeze_is_one_moment(shared_place, racers) -> None:
    """Four processes swap all the time: what freeze() left behind is all that was ever won, each time."""
    store, least = shared_place.store, [0] * RACERS
    for _ in range(ROUNDS):
        for racer in racers:
            racer.send("go")
        until(lambda least=least: all(seen(store, n) > least[n] for n in range(RACERS)))
        store.freeze(Freeze.MOVING)
        left = [seen(store, n) for n in range(RACERS)]
        answers = [racer.recv() if racer.poll(60) else None for racer in racers]
        assert answers == [(won, Freeze.MOVING.message) for won in left]
        assert [seen(store, n) for n in range(RACERS)] == left
        least = left
        store.thaw()


def seen(store, number: int) -> int:
    """How many swaps of a racer are there."""
    return int(store.get(f"racer{number}") or 0)


def test_a_cluster_cannot_be_frozen() -> None:
    """Its keys lie on several nodes, and no script sees a mark on all of them."""
    store = open_store("redis+cluster://127.0.0.1:1")
    (said,) = refused(lambda: store.freeze(Freeze.MOVING))
    assert "Cluster cannot be frozen" in said
    store.close()
