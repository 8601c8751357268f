"""What every store must do that keeps jobs."""

from __future__ import annotations

import multiprocessing
import sqlite3
import time
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier

import pytest

from otp_app.core.errors import StoreUnavailable
from otp_app.core.jobs import MAX_PAYLOAD, Job, Jobs, KeepsJobs, NewJob
from otp_app.core.moving import Freeze
from otp_app.core.store import Swap
from otp_app.stores import open_store
from tests.forking import functions
from tests.patience import wait_long
from tests.rounds import rounds
from tests.stores.faults import refused

LEASE = 30.0
PROCESSES, ROUNDS = 4, rounds(50, 200)


@pytest.fixture
def jobs(place) -> Jobs:
    assert isinstance(place.store, KeepsJobs)
    return place.store.jobs


def ids(taken: list[Job]) -> list[str]:
    return [job.id for job in taken]


# ---- put and take


def test_where_none_was_put_none_is_due(jobs) -> None:
    assert jobs.take(LEASE, 10) == []
    assert jobs.next_in() is None


def test_a_job_is_given_out_once_it_is_due_and_not_before(place, jobs) -> None:
    jobs.put("a", b"x", 60)
    assert jobs.take(LEASE, 10) == []
    assert jobs.next_in() == pytest.approx(60, abs=5)
    place.advance(61)
    assert jobs.next_in() <= 0
    assert [(job.id, job.payload) for job in jobs.take(LEASE, 10)] == [("a", b"x")]


def test_jobs_are_counted_until_they_are_done(place, jobs) -> None:
    """One that is taken still waits for its end."""
    assert jobs.waiting() == 0
    for job_id in ("a", "b", "b"):
        jobs.put(job_id, b"x", 0)
    taken, *_ = jobs.take(LEASE, 1)
    assert jobs.waiting() == 2
    jobs.done(taken)
    assert jobs.waiting() == 1


@pytest.mark.parametrize("payload", [b"", b" ", b"\0 \xff", bytes(range(256)) * (MAX_PAYLOAD // 256)], ids=len)
def test_a_payload_comes_back_to_the_byte(jobs, payload: bytes) -> None:
    jobs.put("a", payload, 0)
    assert [job.payload for job in jobs.take(LEASE, 10)] == [payload]


def test_what_is_overdue_when_it_is_put_is_taken_before_what_waits(jobs) -> None:
    for name, delay in (("a", 0.0), ("b", 0.0), ("urgent", -3600.0)):
        jobs.put(name, b"", delay)
    assert jobs.next_in() <= 0
    assert ids(jobs.take(LEASE, 1)) == ["urgent"]
    assert set(ids(jobs.take(LEASE, 10))) == {"a", "b"}


def test_the_oldest_are_taken_first_and_no_more_than_asked(place, jobs) -> None:
    for n, delay in enumerate((30, 10, 20)):
        jobs.put(f"job{n}", b"", delay)
    place.advance(40)
    assert ids(jobs.take(LEASE, 1)) == ["job1"]
    assert sorted(ids(jobs.take(LEASE, 10))) == ["job0", "job2"]


def test_the_same_id_again_moves_the_job(place, jobs) -> None:
    jobs.put("a", b"old", 0)
    jobs.put("a", b"new", 60)
    assert jobs.take(LEASE, 10) == []
    place.advance(61)
    assert [job.payload for job in jobs.take(LEASE, 10)] == [b"new"]


# ---- leases


def test_nobody_else_gets_a_taken_job_until_its_lease_ends(place, jobs) -> None:
    jobs.put("a", b"", 0)
    jobs.take(LEASE, 10)
    assert jobs.take(LEASE, 10) == []
    assert jobs.next_in() == pytest.approx(LEASE, abs=5)
    place.advance(LEASE + 1)
    assert ids(jobs.take(LEASE, 10)) == ["a"]


def test_what_is_done_is_gone(place, jobs) -> None:
    jobs.put("a", b"", 0)
    (job,) = jobs.take(LEASE, 10)
    assert jobs.done(job)
    place.advance(LEASE + 1)
    assert jobs.take(LEASE, 10) == []
    assert jobs.next_in() is None
    assert not jobs.done(job)


def test_a_job_that_was_put_anew_while_it_was_taken_is_not_lost(jobs) -> None:
    jobs.put("a", b"old", 0)
    (old,) = jobs.take(LEASE, 10)
    jobs.put("a", b"new", 0)
    assert not jobs.done(old)
    assert [job.payload for job in jobs.take(LEASE, 10)] == [b"new"]


def test_a_late_taker_does_not_end_the_job_of_the_next_one(place, jobs) -> None:
    jobs.put("a", b"", 0)
    (late,) = jobs.take(LEASE, 10)
    place.advance(LEASE + 1)
    (job,) = jobs.take(LEASE, 10)
    assert not jobs.done(late)
    assert jobs.done(job)


def test_jobs_and_records_of_one_name_do_not_collide(place, jobs) -> None:
    place.store.swap("a", None, b"value", 3600)
    place.store.add("a", 3, 3600)
    jobs.put("a", b"job", 0)
    assert [job.payload for job in jobs.take(LEASE, 10)] == [b"job"]
    assert place.store.get("a") == b"value"
    assert place.store.add("a", 0, 3600) == 3


@pytest.mark.parametrize("place", ["memory", "sqlite"], indirect=True)
def test_a_clock_that_is_set_back_makes_jobs_early_and_never_hours_late(place, jobs) -> None:
    """The clock of Redis and PostgreSQL is the server's, which cannot be set here."""
    jobs.put("waits", b"", 60)
    jobs.put("taken", b"", 0)
    jobs.take(LEASE, 1)
    place.advance(-7200)
    assert jobs.next_in() <= 0
    assert sorted(ids(jobs.take(LEASE, 10))) == ["taken", "waits"]
    assert jobs.take(LEASE, 10) == []


# ---- with a swap


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_a_swap_that_is_won_puts_its_jobs_and_one_that_is_lost_puts_none(place, jobs) -> None:
    new_jobs = [NewJob("a", b"x", 0), NewJob("b", b"", 60)]
    assert place.store.swap_with_jobs("k", None, b"1", 3600, new_jobs) == Swap(won=True, found=b"1")
    assert place.store.swap_with_jobs("k", b"0", b"2", 3600, [NewJob("c", b"", 0)]) == Swap(won=False, found=b"1")
    assert [(job.id, job.payload) for job in jobs.take(LEASE, 10)] == [("a", b"x")]
    place.advance(61)
    assert sorted(ids(jobs.take(LEASE, 10))) == ["a", "b"]
    assert place.store.get("k") == b"1"


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_a_swap_whose_jobs_cannot_be_kept_is_not_made(place, jobs) -> None:
    place.store.freeze(Freeze.MOVING)
    said = refused(lambda: place.store.swap_with_jobs("k", None, b"1", 3600, [NewJob("a", b"x", 0)]))
    assert said == [Freeze.MOVING.message]
    place.store.thaw()
    with sqlite3.connect(place.path) as db:
        db.execute("CREATE TRIGGER no BEFORE INSERT ON jobs BEGIN SELECT raise(ABORT, 'moving'); END")
    db.close()
    refused(lambda: place.store.swap_with_jobs("k", None, b"1", 3600, [NewJob("a", b"x", 0)]))
    assert place.store.get("k") is None
    assert jobs.take(LEASE, 10) == []


# ---- freezing and copying


@pytest.mark.parametrize("how", Freeze)
@pytest.mark.parametrize("shared_place", ["sqlite", "redis", "postgres"], indirect=True)
def test_nothing_is_put_taken_or_done_while_the_store_is_frozen(shared_place, how: Freeze) -> None:
    store = shared_place.store
    store.jobs.put("a", b"", 0)
    store.jobs.put("b", b"", 0)
    (job,) = store.jobs.take(LEASE, 1)
    store.freeze(how)
    said = refused(
        lambda: store.jobs.put("c", b"", 0), lambda: store.jobs.take(LEASE, 10), lambda: store.jobs.done(job)
    )
    assert said == [how.message] * 3
    store.thaw()
    assert len(store.jobs.take(LEASE, 10)) == 1
    assert store.jobs.done(job)


@pytest.mark.parametrize("source", ["sqlite", "redis", "postgres"])
@pytest.mark.parametrize("target", ["sqlite", "redis", "postgres"])
def test_a_copy_carries_jobs_with_their_time(source: str, target: str, new_store, waits_long) -> None:
    """Through scan, clear and load, of which `store copy` is made; the target is frozen while it is filled."""
    there, here = open_store(new_store(source)), open_store(new_store(target))
    there.jobs.put("now", b"\0 payload", 0)
    there.jobs.put("later", b"x", 600)
    here.jobs.put("left over", b"", 0)
    here.freeze(Freeze.FILLING, "copy")
    here.clear("copy")
    here.load(list(there.scan()), "copy")
    assert {item.key: item.ttl for item in here.scan()} == pytest.approx({"now": 0, "later": 600}, abs=30)
    here.thaw()
    assert [(job.id, job.payload) for job in here.jobs.take(LEASE, 10)] == [("now", b"\0 payload")]
    assert here.jobs.take(LEASE, 10) == []
    for store in (there, here):
        store.close()


# ---- processes


def work(url: str, barrier: Barrier, results: multiprocessing.SimpleQueue[list[str]]) -> None:
    """One of the takers: take and do until nothing is left."""
    wait_long()
    store = open_store(url)
    barrier.wait()
    mine = []
    while taken := store.jobs.take(600.0, 5):
        mine += [job.id for job in taken if store.jobs.done(job)]
    store.close()
    results.put(mine)


def test_four_processes_take_and_each_job_has_one_taker(shared_place) -> None:
    names = [f"job{n}" for n in range(PROCESSES * ROUNDS)]
    for name in names:
        shared_place.store.jobs.put(name, b"", 0)
    forks = functions()
    barrier, results = forks.Barrier(PROCESSES), forks.SimpleQueue()
    takers = [forks.Process(target=work, args=(shared_place.url, barrier, results)) for _ in range(PROCESSES)]
    for taker in takers:
        taker.start()
    done = [name for _ in takers for name in results.get()]
    for taker in takers:
        taker.join()
    assert sorted(done) == sorted(names)
    assert shared_place.store.jobs.next_in() is None


def take_and_wait(url: str, told: Connection) -> None:
    """Take a job, tell how many there were, and do nothing about it."""
    wait_long()
    jobs = open_store(url).jobs
    jobs.put("a", b"x", 0)
    told.send(len(jobs.take(30.0, 1)))
    time.sleep(600)  # but for the kill


def test_the_job_of_a_process_that_is_killed_is_given_out_again(shared_place) -> None:
    forks = functions()
    here, there = forks.Pipe(duplex=False)
    taker = forks.Process(target=take_and_wait, args=(shared_place.url, there))
    taker.start()
    assert here.recv() == 1
    taker.kill()
    taker.join()
    shared_place.clock.now = time.time()  # which stood still while the other process began
    jobs = shared_place.store.jobs
    assert jobs.take(LEASE, 1) == []
    shared_place.advance(31)
    assert [(job.id, job.payload) for job in jobs.take(LEASE, 1)] == [("a", b"x")]


def test_a_file_of_an_earlier_version_gets_its_jobs(tmp_path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/otp.db")
    store.swap("k", None, b"v", 3600)
    with sqlite3.connect(tmp_path / "otp.db") as db:
        db.execute("DROP TABLE jobs")
    db.close()
    assert store.jobs.next_in() is None
    assert store.jobs.take(LEASE, 1) == []
    store.jobs.put("a", b"x", 0)
    assert [job.payload for job in store.jobs.take(LEASE, 1)] == [b"x"]
    store.close()


def test_a_store_that_cannot_be_reached_keeps_nothing(tmp_path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/otp.db")
    store.close()
    with pytest.raises(StoreUnavailable):
        store.jobs.put("a", b"", 0)
