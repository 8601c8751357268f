"""Counts of several processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from threading import Thread

import pytest

from otp_app.monitoring.metrics import counts
from otp_app.monitoring.metrics.counts import Counts

A, B = ("a_total", "x"), ("b_total",)


def in_a_fork(act: Callable[[], object], how: int = 0) -> None:
    """Act in a fork of this process, which then ends, or is killed."""
    if (pid := os.fork()) == 0:
        act()
        if how:
            os.kill(os.getpid(), how)
        os._exit(0)
    os.waitpid(pid, 0)


def sums(found: Counts) -> dict[tuple[str, ...], list[float]]:
    return {series: list(numbers) for series, numbers in found.totals().items()}


def test_nothing_is_counted_at_first() -> None:
    assert Counts().totals() == {}


def test_all_processes_are_summed() -> None:
    """Whoever is asked, and whether they have ended in order or were killed."""
    shared = Counts()
    shared.add(A)
    in_a_fork(lambda: shared.add(A))
    in_a_fork(lambda: (shared.add(B), shared.add(A)), signal.SIGKILL)
    assert sums(shared) == {A: [3.0], B: [1.0]}


def test_a_process_goes_on_with_the_part_of_one_that_has_ended() -> None:
    """So that any number of restarts of workers needs no more room."""
    shared = Counts()
    for _ in range(3):
        in_a_fork(lambda: shared.add(A))
    in_a_fork(lambda: shared.add(B))
    parts = [part for part in range(counts.PARTS) if bytes(shared._part(part)[:8]) != bytes(8)]
    assert (sums(shared), parts) == ({A: [3.0], B: [1.0]}, [0])


def test_living_processes_have_parts_of_their_own() -> None:
    """A fork counts beside its parent, although both began with the same object."""
    shared = Counts()
    shared.add(A)
    in_a_fork(lambda: shared.add(A))
    shared.add(A)
    assert [shared._part(part)[:8] == bytes(8) for part in range(3)] == [False, False, True]
    assert sums(shared) == {A: [3.0]}


def test_threads_lose_nothing() -> None:
    shared = Counts()
    threads = [Thread(target=lambda: [shared.add(A) for _ in range(2000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sums(shared) == {A: [8000.0]}


def test_a_histogram_has_its_buckets_and_a_sum() -> None:
    shared = Counts()
    for bucket, amount in [(0, 0.5), (2, 8.0), (2, 9.0)]:
        shared.observe(A, 4, bucket, amount)
    in_a_fork(lambda: shared.observe(A, 4, 1, 2.0))
    assert sums(shared) == {A: [1.0, 1.0, 2.0, 19.5]}


def test_a_counter_and_a_histogram_are_counted_at_once() -> None:
    """As one by one, also where the one is new and the other is not."""
    shared = Counts()
    for series in (A, A, B):
        shared.both(series, ("seconds",), 3, 1, 0.5)
    assert sums(shared) == {A: [2.0], B: [1.0], ("seconds",): [0.0, 3.0, 1.5]}


def test_where_there_is_no_room_the_others_are_counted_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    """It is said, and no request fails."""
    shared = Counts()
    for number in range(counts.CELLS):
        shared.add((f"series_{number}_total",))
    shared.add(("series_0_total",))
    found = shared.totals()
    assert list(found["series_0_total",]) == [2.0]
    assert len(found) < counts.CELLS
    assert "too many series" in caplog.text


def test_without_a_free_part_a_process_counts_for_itself(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def taken(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(counts.fcntl, "lockf", taken)
    shared = Counts()
    shared.add(A)
    assert shared.totals() == {}
    assert "too many processes" in caplog.text


def test_what_is_prepared_is_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once: a reload loses nothing."""
    monkeypatch.setattr(counts, "_of_the_master", None)
    assert counts.inherited() is not counts.inherited()
    counts.prepare()
    first = counts.inherited()
    counts.prepare()
    assert counts.inherited() is first
