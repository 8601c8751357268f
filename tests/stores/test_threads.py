"""What eight threads of one process may do to every store at once."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

from otp_app.core.store import Store

HOUR = 3600.0


def together(count: int, work: Callable[[int], None]) -> None:
    """Run the work in so many threads that start at once; raise what any of them raised."""
    barrier, faults = threading.Barrier(count), []

    def run(number: int) -> None:
        barrier.wait()
        try:
            work(number)
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # turns change within a verb, not only between verbs
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(interval)
    if faults:
        raise faults[0]


def test_of_eight_threads_that_put_a_key_one_wins(store: Store) -> None:
    wins: list[str] = []

    def put(number: int) -> None:
        keys = [f"k{turn}" for turn in range(100)]
        wins.extend(key for key in keys if store.swap(key, None, b"%d" % number, HOUR).won)

    together(8, put)
    assert sorted(wins) == sorted(f"k{turn}" for turn in range(100))


def test_of_eight_threads_that_replace_a_value_one_wins(store: Store) -> None:
    wins: list[str] = []
    for turn in range(50):
        store.swap(f"k{turn}", None, b"old", HOUR)

    def replace(number: int) -> None:
        keys = [f"k{turn}" for turn in range(50)]
        wins.extend(key for key in keys if store.swap(key, b"old", b"%d" % number, HOUR).won)

    together(8, replace)
    assert len(wins) == len(set(wins)) == 50


def test_a_sum_built_by_swaps_loses_nothing(store: Store) -> None:
    store.swap("sum", None, b"0", HOUR)

    def count(_: int) -> None:
        seen = store.get("sum") or b""
        for _ in range(25):
            while not (swap := store.swap("sum", seen, b"%d" % (int(seen) + 1), HOUR)).won:
                seen = swap.found or b""
            seen = swap.found or b""

    together(8, count)
    assert store.get("sum") == b"200"


def test_a_loser_sees_a_value_that_was_really_there(store: Store) -> None:
    losses: list[bytes | None] = []

    def put(number: int) -> None:
        swap = store.swap("k", None, b"%d" % number, HOUR)
        if not swap.won:
            losses.append(swap.found)

    together(8, put)
    assert losses == [store.get("k")] * 7


def test_eight_threads_add_exactly_and_each_sum_is_reported_once(store: Store) -> None:
    """Two threads must not both learn that they were the fifth."""
    sums: list[int] = []
    together(8, lambda _: sums.extend([store.add("c", 1, HOUR) for _ in range(100)]))
    assert sorted(sums) == list(range(1, 801))
    assert store.add("c", 0, HOUR) == 800


def test_a_thread_reads_what_it_has_swapped(store: Store) -> None:
    def work(number: int) -> None:
        for turn in range(50):
            store.swap(f"{number}.{turn}", None, b"a", HOUR)
            assert store.get(f"{number}.{turn}") == b"a"

    together(8, work)
