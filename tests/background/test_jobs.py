"""The thread that takes due jobs, and those that do them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from otp_app.background import jobs as runners
from otp_app.background.jobs import LEASE, MOST_AT_ONCE, JobRunner
from otp_app.core.errors import StoreUnavailable
from otp_app.core.jobs import Job
from otp_app.stores.memory import MemoryJobs
from otp_app.system import logs
from tests.running import wait_until


class Watched(MemoryJobs):
    """Counts its calls; raises `fault` while there is one."""

    def __init__(self) -> None:
        self.now = 1000.0
        super().__init__(lambda: self.now)
        self.calls: list[str] = []
        self.fault: Exception | None = None

    def next_in(self) -> float | None:
        self.calls.append("next_in")
        if self.fault:
            raise self.fault
        return super().next_in()

    def take(self, lease: float, limit: int) -> list[Job]:
        self.calls.append("take")
        return super().take(lease, limit)


@pytest.fixture
def kept() -> Watched:
    return Watched()


@pytest.fixture
def runner(kept: Watched, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobRunner]:
    """Looks by itself once an hour."""
    monkeypatch.setattr(runners, "LOOK_EVERY", 3600.0)
    logs._quiet_until.clear()
    made = JobRunner(kept)
    yield made
    made.stop()


class Done:
    """A handler that notes what it did."""

    def __init__(self, answer: Callable[[bytes], float | None] = lambda payload: None) -> None:
        self.payloads: list[bytes] = []
        self._answer = answer

    def __call__(self, payload: bytes) -> float | None:
        self.payloads.append(payload)
        return self._answer(payload)

    def wait(self, count: int) -> None:
        wait_until(lambda: len(self.payloads) >= count, f"{count} jobs", 10)


def test_a_job_is_done_once_by_the_handler_of_its_name_as_soon_as_it_is_put(kept: Watched, runner: JobRunner) -> None:
    """Though the thread would look no sooner than in an hour."""
    mine, other = Done(), Done()
    runner.start({"a": mine, "b": other})
    wait_until(lambda: kept.calls, "the first look")
    for n in range(3):
        runner.put(f"a:{n}", b"%d" % n, 0.0)
    mine.wait(3)
    wait_until(lambda: kept.next_in() is None, "an empty store")
    assert (sorted(mine.payloads), other.payloads) == ([b"0", b"1", b"2"], [])


def test_jobs_that_were_put_before_the_start_are_done(kept: Watched, runner: JobRunner) -> None:
    """By another server, or by this one before it was killed."""
    kept.put("a:1", b"x", 0.0)
    done = Done()
    runner.start({"a": done})
    done.wait(1)


def test_jobs_of_other_servers_are_seen_by_looking(kept: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runners, "LOOK_EVERY", 0.01)
    runner, done = JobRunner(kept), Done()
    runner.start({"a": done})
    wait_until(lambda: len(kept.calls) > 1, "a second look")
    kept.put("a:1", b"x", 0.0)
    done.wait(1)
    runner.stop()


def test_while_nothing_is_due_the_store_is_only_read(kept: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runners, "LOOK_EVERY", 0.001)
    kept.put("a:1", b"x", 600.0)
    runner = JobRunner(kept)
    runner.start({"a": Done()})
    wait_until(lambda: len(kept.calls) > 5, "some looks")
    runner.stop()
    assert set(kept.calls) == {"next_in"}


@pytest.mark.parametrize("fault", [ValueError(), StoreUnavailable()])
def test_a_handler_that_raises_leaves_its_job_to_the_lease_and_harms_no_other(
    kept: Watched, runner: JobRunner, caplog: pytest.LogCaptureFixture, fault: Exception
) -> None:
    faults = [fault]

    def once_faulty(payload: bytes) -> None:
        if payload == b"bad" and faults:
            raise faults.pop()

    done = Done(once_faulty)
    runner.start({"a": done})
    runner.put("a:1", b"bad", 0.0)
    done.wait(1)
    runner.put("a:2", b"good", 0.0)
    done.wait(2)
    assert done.payloads == [b"bad", b"good"]
    kept.now += LEASE
    runner.put("a:3", b"good", 0.0)  # wakes it
    done.wait(4)
    assert sorted(done.payloads) == [b"bad", b"bad", b"good", b"good"]
    assert len(caplog.records) == 1


def test_a_job_is_done_again_after_the_seconds_that_its_handler_returns(kept: Watched, runner: JobRunner) -> None:
    answers = [30.0, None]
    done = Done(lambda payload: answers.pop(0))
    runner.start({"a": done})
    runner.put("a:1", b"x", 0.0)
    wait_until(lambda: kept.next_in() == 30.0, "the next time")
    kept.now += 30.0
    runner.put("b:1", b"", 0.0)  # wakes it
    done.wait(2)
    assert done.payloads == [b"x", b"x"]


def test_a_job_of_a_later_version_is_left_to_another_server(kept: Watched, runner: JobRunner) -> None:
    runner.start({"a": Done()})
    runner.put("later:1", b"x", 0.0)
    wait_until(lambda: kept.next_in() == LEASE, "the lease")


@pytest.mark.parametrize("fault", [StoreUnavailable(), ZeroDivisionError()])
def test_a_store_that_fails_is_asked_again_and_logged_once(
    kept: Watched, runner: JobRunner, caplog: pytest.LogCaptureFixture, fault: Exception
) -> None:
    kept.fault, done = fault, Done()
    kept.put("a:1", b"x", 0.0)
    runner.start({"a": done})
    wait_until(lambda: len(kept.calls) > 2, "a third look")
    kept.fault = None
    done.wait(1)
    assert len(caplog.records) == 1


def test_jobs_are_done_once_the_system_has_threads_again(
    kept: Watched, runner: JobRunner, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """However often it had none."""
    begin, refused, done = threading.Thread.start, [], Done()

    def start(thread: threading.Thread) -> None:
        if thread.name.startswith("job") and thread.name != "jobs" and len(refused) < MOST_AT_ONCE:
            refused.append(thread)
            raise RuntimeError("can't start new thread")
        begin(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    runner.start({"a": done})
    while len(refused) < MOST_AT_ONCE:
        runner.put("a:1", b"x", 0.0)
        time.sleep(0.001)
    runner.put("a:1", b"x", 0.0)
    done.wait(1)
    assert [record.getMessage() for record in caplog.records] == ["jobs: can't start new thread"]


def test_no_more_than_the_bound_at_once_and_the_next_as_soon_as_one_ends(kept: Watched, runner: JobRunner) -> None:
    may_end = threading.Semaphore(0)
    done = Done(lambda payload: may_end.acquire(timeout=10) and None)
    for n in range(MOST_AT_ONCE + 1):
        kept.put(f"a:{n}", b"x", 0.0)
    runner.start({"a": done})
    done.wait(MOST_AT_ONCE)
    assert kept.next_in() == 0.0  # one is left
    may_end.release()
    done.wait(MOST_AT_ONCE + 1)
    may_end.release(MOST_AT_ONCE)


def test_a_stop_waits_for_the_job_at_hand_and_takes_no_other(kept: Watched, runner: JobRunner) -> None:
    may_end = threading.Semaphore(0)
    done = Done(lambda payload: may_end.acquire(timeout=10) and None)
    runner.start({"a": done})
    runner.put("a:1", b"x", 0.0)
    done.wait(1)
    stopping = threading.Thread(target=runner.stop)
    stopping.start()
    wait_until(lambda: not runner._thread.is_alive(), "the end of the thread")
    runner.put("a:2", b"x", 0.0)
    assert stopping.is_alive()
    may_end.release(2)
    stopping.join(10)
    assert not stopping.is_alive()
    assert [job.id for job in kept.take(1.0, 10)] == ["a:2"]
