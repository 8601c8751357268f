"""Threads that work off a queue: as many as are needed, at most so many, and they end."""

from __future__ import annotations

import gc
import os
import threading

import pytest

from otp_app.web.gunicorn.threads import Threads, collect_seldom, take_turns
from tests.running import wait_until


def test_a_thread_starts_when_none_is_free() -> None:
    """One is enough for jobs one after another; more jobs than threads wait."""
    done, go_on = threading.Semaphore(0), threading.Event()

    def work(wait: bool) -> None:
        if wait:
            go_on.wait(10)
        done.release()

    threads = Threads(2, work)
    for _ in range(3):
        threads.submit(False)
        assert done.acquire(timeout=10)
        wait_until(lambda: threads._done == threads._submitted, "a free thread")
    assert len(threads._threads) == 1
    for _ in range(3):
        threads.submit(True)
    assert len(threads._threads) == 2
    assert threads.has_waiting()
    go_on.set()
    threads.shutdown()
    assert [done.acquire(blocking=False) for _ in range(4)] == [True, True, True, False]
    assert not any(thread.is_alive() for thread in threads._threads)


def test_a_thread_may_take_several_jobs_that_wait() -> None:
    """So many at most; the word that a thread has to end stays for one that has nothing to do."""
    done, go_on = [], threading.Event()
    threads: Threads[int] = Threads(1, lambda *jobs: (go_on.wait(10), done.append(jobs)), at_once=3)
    threads.submit(0)
    wait_until(lambda: not threads.has_waiting(), "the thread's start")
    for job in range(1, 6):
        threads.submit(job)
    threads.shutdown(wait=False)
    go_on.set()
    threads.shutdown()
    assert done == [(0,), (1, 2, 3), (4, 5)]
    assert threads._done == threads._submitted


def test_a_job_that_fails_ends_no_thread(caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []

    def work(job: str) -> None:
        if job == "bad":
            raise SystemExit
        done.append(job)

    threads = Threads(1, work)
    for job in ("bad", "good"):
        threads.submit(job)
    threads.shutdown()
    assert done == ["good"]
    assert [record.getMessage() for record in caplog.records] == ["request failed"]


def test_a_job_waits_where_the_system_has_no_further_thread(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One that runs does it later."""
    done, go_on = [], threading.Event()
    threads: Threads[int] = Threads(2, lambda job: (go_on.wait(10), done.append(job)))
    threads.submit(1)

    def refuse(_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        threads.submit(2)
    go_on.set()
    threads.shutdown()
    assert done == [1, 2]
    assert [record.getMessage() for record in caplog.records] == ["can't start new thread"]


def test_threads_start_again_once_the_system_has_some(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs that found none and waited for the one that runs leave no further thread free."""
    go_on = threading.Event()
    threads: Threads[int] = Threads(3, lambda _: go_on.wait(10))
    threads.submit(1)

    def refuse(_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        threads.submit(2)
        threads.submit(3)
    go_on.set()
    wait_until(lambda: threads._done == 3, "the end of the jobs")
    go_on.clear()
    for job in (4, 5, 6):
        threads.submit(job)
    go_on.set()
    threads.shutdown()
    assert len(threads._threads) == 3


def test_no_thread_interrupts_another_by_waking_up() -> None:
    """Threads get it from the one that starts them."""
    found: list[int] = []

    def begin() -> None:
        take_turns()
        threads: Threads[int] = Threads(1, lambda _: found.append(os.sched_getscheduler(0)))
        threads.submit(1)
        threads.shutdown()

    thread = threading.Thread(target=begin)  # one of its own: that of the tests stays as it is
    thread.start()
    thread.join()
    assert found == [os.SCHED_BATCH]


def test_what_the_operator_has_chosen_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[int] = []
    monkeypatch.setattr(os, "sched_getscheduler", lambda _: os.SCHED_RR)
    monkeypatch.setattr(os, "sched_setscheduler", lambda _, policy, __: chosen.append(policy))
    take_turns()
    assert chosen == []


def test_a_thread_takes_what_has_come_since_it_began() -> None:
    """And no more than it may do at once; what it took is done with what it had."""
    done: list[tuple[int, ...]] = []

    def work(*jobs: int) -> None:
        for job in (2, 3, 4) if jobs == (1,) else ():
            threads.submit(job)
        done.append((*jobs, *(threads.take() if jobs == (1,) else ())))

    threads: Threads[int] = Threads(1, work, 3)
    threads.submit(1)
    wait_until(lambda: threads._done == 4, "all jobs")
    assert done == [(1, 2, 3), (4,)]
    threads.shutdown()


@pytest.mark.parametrize(("before", "after"), [((700, 10, 10), (5000, 10, 10)), ((9000, 5, 5), (9000, 5, 5)),
                                               ((0, 10, 10), (0, 10, 10))])  # fmt: skip
def test_garbage_is_looked_for_seldom(
    monkeypatch: pytest.MonkeyPatch, before: tuple[int, int, int], after: tuple[int, int, int]
) -> None:
    """As seldom as the operator wants it, if at all."""
    chosen = [before]
    monkeypatch.setattr(gc, "get_threshold", lambda: before)
    monkeypatch.setattr(gc, "set_threshold", lambda *threshold: chosen.append(threshold))
    collect_seldom()
    assert chosen[-1] == after
