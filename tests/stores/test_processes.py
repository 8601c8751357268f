"""What every store that several processes can open must do."""

from __future__ import annotations

import itertools
import multiprocessing
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier

from otp_app.stores import open_store
from tests.forking import functions
from tests.patience import wait_long
from tests.rounds import rounds

HOUR = 3600.0
PROCESSES, ROUNDS = 4, rounds(20, 100)


def race(url: str, barrier: Barrier, number: int, wins: multiprocessing.SimpleQueue[list[int]]) -> None:
    """One of the racers: put, replace, add and build a sum."""
    wait_long()
    store = open_store(url)
    barrier.wait()
    won = [turn for turn in range(ROUNDS) if store.swap(f"put{turn}", None, b"%d" % number, HOUR).won]
    won += [ROUNDS + turn for turn in range(ROUNDS) if store.swap(f"old{turn}", b"old", b"%d" % number, HOUR).won]
    for _ in range(50):
        store.add("counter", 1, HOUR)
        seen = store.get("sum")
        while not (swap := store.swap("sum", seen, b"%d" % (int(seen or 0) + 1), HOUR)).won:
            seen = swap.found
    store.close()
    wins.put(won)


def test_four_processes_race_and_every_swap_has_one_winner(shared_place) -> None:
    """As many keys put and values replaced by each of four processes; a counter and a sum of swaps lose nothing."""
    for turn in range(ROUNDS):
        shared_place.store.swap(f"old{turn}", None, b"old", HOUR)
    forks = functions()
    barrier, wins = forks.Barrier(PROCESSES), forks.SimpleQueue()
    racers = [forks.Process(target=race, args=(shared_place.url, barrier, n, wins)) for n in range(PROCESSES)]
    for racer in racers:
        racer.start()
    won = [turn for _ in racers for turn in wins.get()]
    for racer in racers:
        racer.join()
    assert sorted(won) == list(range(2 * ROUNDS))
    assert shared_place.store.add("counter", 0, HOUR) == PROCESSES * 50
    assert shared_place.store.get("sum") == b"%d" % (PROCESSES * 50)


def test_another_store_object_sees_what_was_swapped(shared_place) -> None:
    other = shared_place.open()
    shared_place.store.swap("k", None, b"a", HOUR)
    assert other.get("k") == b"a"
    assert other.swap("k", b"a", b"b", HOUR).won
    assert shared_place.store.get("k") == b"b"


def test_closed_and_opened_again_it_has_everything(shared_place) -> None:
    shared_place.store.swap("k", None, b"a", HOUR)
    shared_place.store.add("c", 4, HOUR)
    shared_place.store.close()
    again = shared_place.open()
    assert (again.get("k"), again.add("c", 0, HOUR)) == (b"a", 4)


def write(url: str, name: str, told: Connection) -> None:
    """Put keys and count them without end, and tell of each that is there."""
    wait_long()
    store = open_store(url)
    for n in itertools.count():
        store.swap(f"{name}.{n}", None, b"a", HOUR)
        store.add(name, 1, HOUR)
        told.send(n)


def test_what_was_answered_survives_a_kill(shared_place) -> None:
    """Whenever a process that writes is killed, every swap whose success it saw is there, and every count."""
    forks = functions()
    for turn in range(rounds(2, 5)):
        name = f"turn{turn}"
        here, there = forks.Pipe(duplex=False)
        writer = forks.Process(target=write, args=(shared_place.url, name, there))
        writer.start()
        there.close()
        last = [here.recv() for _ in range(40)][-1]
        writer.kill()
        with suppress(EOFError):
            while True:
                last = here.recv()
        writer.join()
        assert all(shared_place.store.get(f"{name}.{n}") == b"a" for n in range(last + 1))
        assert shared_place.store.add(name, 0, HOUR) >= last + 1
