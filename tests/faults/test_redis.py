"""Redis killed, held, emptied, full, demoted and slow: 503 and no acceptance meanwhile, no restart afterwards."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from otp_app.core.ledgers import LOCK_TIMEOUT
from tests.conftest import require
from tests.faults.away import assert_all_refused_for_now, messages_to, pending, right_attempt, when_back, wrong_attempt
from tests.faults.load import Clients, at_once
from tests.faults.proxy import Proxy
from tests.provider import Provider
from tests.running import DidNotStartError, RunningServer, free_port, wait_until
from tests.services import Redis

THREADS = 32  # of a worker, see tests.running
LIMITS = {"OTP_CLIENT_LIMITS": "100000/hour", "OTP_CHECK_LIMITS": "100000/hour"}


@pytest.fixture
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Redis]]:
    """Call it to start a Redis that the test may do anything to (see Redis for its options)."""
    with ExitStack() as ends:

        def start(**options: str) -> Redis:
            options = {name.replace("_", "-"): value for name, value in options.items()}
            store = Redis(tmp_path_factory.mktemp("own-redis"), require("redis-server"), **options)
            ends.callback(store.stop)
            store.start()
            return store

        yield start


# ---- killed


@pytest.mark.parametrize("workers", [1, 4])
def test_a_killed_redis_is_503_and_forgets_nothing(
    clients: Callable[..., Clients], own_redis: Callable[..., Redis], workers: int
) -> None:
    """With appendonly, tries and codes outlive SIGKILL; while Redis is away nothing is sent, accepted or guessed."""
    store = own_redis(appendonly="yes", appendfsync="everysec")
    with clients(store=store.new_url(), workers=workers) as busy:
        nearly_locked, untouched = pending(busy, wrong=4), pending(busy)
        busy.wait_for(40)
        store.kill()
        begun = busy.done()
        refused = [wrong_attempt(busy, nearly_locked), right_attempt(busy, untouched), busy.send(busy.next_number())]
        busy.wait_for(200)
        meanwhile = [event for event in busy.history.events[begun:] if event.t0 >= refused[0].t0]
        store.start()
        assert when_back(lambda: wrong_attempt(busy, nearly_locked)).status == 400
        assert when_back(lambda: right_attempt(busy, nearly_locked)).status == 400
        assert [when_back(lambda: right_attempt(busy, untouched)).status for _ in range(2)] == [200, 400]
        busy.wait_for(40)
    assert_all_refused_for_now(refused + meanwhile)
    assert busy.faults() == []


def test_a_worker_that_starts_without_redis_waits_for_it(
    clients: Callable[..., Clients], own_redis: Callable[..., Redis]
) -> None:
    """A new worker answers 503 until Redis is there, and gunicorn goes on; a reload is refused in the meantime."""
    store = own_redis(appendonly="yes")
    calm = clients(store=store.new_url())
    number = pending(calm)
    store.kill()
    calm.server.kill_worker()
    wait_until(calm.server.healthy, "a worker in the place of the killed one")
    assert_all_refused_for_now([calm.send(calm.next_number()), right_attempt(calm, number)])
    workers = calm.server.worker_pids()
    os.kill(calm.server.pid, signal.SIGHUP)
    wait_until(lambda: "Not reloaded: OTP_STORE_URL" in calm.server.log(), "the refusal of a reload")
    store.start()
    when_back(lambda: calm.send(calm.next_number()))
    assert calm.server.worker_pids() == workers
    assert right_attempt(calm, number).status == 200
    assert calm.faults() == []


# ---- held


@pytest.mark.parametrize("settings", [{}, LIMITS], ids=["", "with limits per client"])
def test_a_held_redis_holds_no_request(
    clients: Callable[..., Clients], own_redis: Callable[..., Redis], settings: dict[str, str]
) -> None:
    """Of a burst on a Redis that hangs, each must come back before patience ends, and no thread stays behind."""
    store = own_redis()
    with clients(store=store.new_url(), **settings) as busy:
        one_number = busy.next_number()
        busy.wait_for(40)
        with store.held():
            burst = at_once(6 * THREADS, lambda n: busy.send(busy.next_number() if n % 2 else one_number))
            busy.wait_for(200)
            meanwhile = [event for event in list(busy.history.events) if event.t0 >= min(e.t0 for e in burst)]
            assert busy.server.healthy()
        when_back(lambda: busy.send(busy.next_number()))
    assert_all_refused_for_now(meanwhile, also=429)
    # A busy machine adds much to it; a thread that is held would wait until Redis is back.
    assert max(event.t1 - event.t0 for event in meanwhile) < 12 * LOCK_TIMEOUT
    assert messages_to({event.number for event in meanwhile if event.op == "send"}, busy) == []
    assert {event.status for event in at_once(2 * THREADS, lambda _: busy.send(busy.next_number()))} == {200}
    assert busy.faults() == []


# ---- emptied, or set up to forget


def test_an_emptied_redis_accepts_nothing_from_before(
    clients: Callable[..., Clients], own_redis: Callable[..., Redis]
) -> None:
    """Without persistence a restart ends every code, used or not, whatever a worker remembers; new ones work."""
    store = own_redis()
    with clients(store=store.new_url()) as busy:
        assert "a restart of Redis loses everything" in busy.server.log()
        numbers = [pending(busy) for _ in range(10)]
        assert right_attempt(busy, numbers[0]).accepted
        sends = [event for event in list(busy.history.events) if event.op == "send" and event.number in numbers]
        busy.wait_for(40)
        store.kill()
        store.start()
        when_back(lambda: busy.send(busy.next_number()))
        assert {right_attempt(busy, number).status for number in numbers} == {400}
        assert {busy.status(send.number, send.verification).status for send in sends} == {404}
        assert right_attempt(busy, pending(busy)).status == 200
        busy.wait_for(40)
    assert [fault for fault in busy.faults() if not fault.startswith("I4")] == []  # codes are lost: that is the point


def test_a_redis_that_evicts_is_refused_at_the_start(
    tmp_path: Path, fake_twilio: Provider, own_redis: Callable[..., Redis]
) -> None:
    """A policy that drops codes and counters of tries ends the start with status 78 and one line that names it."""
    store = own_redis(maxmemory_policy="allkeys-lru")
    refused = RunningServer(tmp_path, fake_twilio.url, store=store.new_url(), OTP_LOG_LEVEL="ERROR")
    with pytest.raises(DidNotStartError) as said:
        refused.start()
    (line,) = str(said.value).splitlines()
    assert "maxmemory-policy" in line
    assert refused.wait(0) == os.EX_CONFIG


# ---- there, but takes no writes


def test_a_full_redis_is_503_and_recovers(clients: Callable[..., Clients], own_redis: Callable[..., Redis]) -> None:
    """Where nothing can be written nothing is sent, guessed or accepted, while reads go on; room is enough to go on."""
    store = own_redis(maxmemory_policy="noeviction")
    calm = clients(store=store.new_url(), **LIMITS)
    assert_refuses_writes_until(
        calm, lambda: store.client().config_set("maxmemory", 1), lambda: store.client().config_set("maxmemory", 0)
    )


def test_a_demoted_redis_is_503_and_recovers(clients: Callable[..., Clients], own_redis: Callable[..., Redis]) -> None:
    """A primary that a failover made a replica takes no writes: nothing is sent or accepted until it is one again."""
    store = own_redis()
    calm = clients(store=store.new_url())
    assert_refuses_writes_until(
        calm, lambda: store.client().replicaof("127.0.0.1", free_port()), lambda: store.client().replicaof("NO", "ONE")
    )


def assert_refuses_writes_until(calm: Clients, begin: Callable[[], object], end: Callable[[], object]) -> None:
    """Between the two, sends and attempts are 503 and change nothing; afterwards they work."""
    number = pending(calm, wrong=4)
    begin()
    assert_all_refused_for_now([right_attempt(calm, number), wrong_attempt(calm, number)])
    assert_all_refused_for_now(at_once(12, lambda _: calm.send(calm.next_number())))
    assert len(calm.provider.posts) == 1
    assert calm.server.healthy()
    end()
    assert right_attempt(calm, number).status == 200
    assert calm.send(calm.next_number()).status == 200
    assert calm.faults() == []


# ---- far away


@pytest.fixture
def network(own_redis: Callable[..., Redis]) -> Iterator[tuple[Redis, Proxy]]:
    """A Redis, and the network that leads to it."""
    store = own_redis()
    with Proxy(store.port) as proxy:
        yield store, proxy


def test_a_slow_redis_makes_slow_answers_and_nothing_else(
    clients: Callable[..., Clients], network: tuple[Redis, Proxy]
) -> None:
    """With a tenth of a second for each answer of Redis, less than its time-out, every call works."""
    _, proxy = network
    with clients(store=url_through(proxy)) as busy:
        proxy.delay = 0.1
        busy.wait_for(40)
    assert {event.status for event in busy.history.events} <= {200, 400}
    assert busy.faults() == []


def test_a_redis_slower_than_its_time_out_is_503(
    clients: Callable[..., Clients], network: tuple[Redis, Proxy]
) -> None:
    """When each answer comes too late, nothing is sent although Redis did what it was asked; it goes on in time."""
    _, proxy = network
    calm = clients(store=url_through(proxy))
    number = pending(calm)
    proxy.delay = 0.7
    assert_all_refused_for_now(at_once(THREADS, lambda _: calm.send(calm.next_number())))
    assert_all_refused_for_now([right_attempt(calm, number)])
    proxy.delay = 0.0
    when_back(lambda: calm.send(calm.next_number()))
    refused = {event.number for event in calm.history.events if event.op == "send" and event.status == 503}
    assert messages_to(refused, calm) == []
    assert calm.faults() == []


def test_a_lost_answer_is_503_and_its_command_is_not_repeated(
    clients: Callable[..., Clients], network: tuple[Redis, Proxy]
) -> None:
    """The swap of a send was done and its answer lost: no message leaves, the send counts, nothing is done twice."""
    store, proxy = network
    calm = clients(store=url_through(proxy))
    pending(calm)  # Redis knows the scripts from now on
    number, before = calm.next_number(), scripts_run(store)
    proxy.cut_after_request = script_number(1)
    assert_all_refused_for_now([calm.send(number)])
    assert scripts_run(store) == before + 1
    when_back(lambda: calm.send(calm.next_number()))
    assert calm.send(number).status == 429
    assert messages_to({number}, calm) == []
    assert calm.faults() == []


@pytest.mark.parametrize("right", [True, False])
def test_an_attempt_whose_answer_is_lost_counts(
    clients: Callable[..., Clients], network: tuple[Redis, Proxy], right: bool
) -> None:
    """It was written: a right attempt has used the code, a wrong one has spent the last try. Neither is repeated."""
    store, proxy = network
    calm = clients(store=url_through(proxy))
    number = pending(calm, wrong=4)
    before = scripts_run(store)
    proxy.cut_after_request = script_number(1)
    assert_all_refused_for_now([(right_attempt if right else wrong_attempt)(calm, number)])
    assert scripts_run(store) == before + 1
    when_back(lambda: calm.send(calm.next_number()))
    assert right_attempt(calm, number).status == 400
    assert calm.faults() == []


def test_an_outcome_whose_answer_is_lost_is_no_second_message(
    clients: Callable[..., Clients], network: tuple[Redis, Proxy]
) -> None:
    """The message has gone when its outcome is noted: the caller learns of it, and it verifies."""
    _, proxy = network
    calm = clients(store=url_through(proxy))
    pending(calm)
    proxy.cut_after_request, number = script_number(2), calm.next_number()
    assert calm.send(number).status == 200
    assert len(messages_to({number}, calm)) == 1
    when_back(lambda: calm.send(calm.next_number()))
    assert right_attempt(calm, number).status == 200
    assert calm.faults() == []


def url_through(proxy: Proxy) -> str:
    """The store's URL by way of the proxy."""
    return f"redis://127.0.0.1:{proxy.port}/1"


def scripts_run(store: Redis) -> int:
    """How many calls of scripts Redis did."""
    statistics: Any = store.client().info("commandstats")
    return int(statistics["cmdstat_evalsha"]["calls"])


def script_number(wanted: int) -> Callable[[bytes], bool]:
    """Says yes to one call of a script, the `wanted`th from now on."""
    seen = itertools.count(1)
    return lambda piece: b"EVALSHA" in piece and next(seen) == wanted


# ---- replaced by memory


def test_a_store_that_is_there_at_the_start_is_never_replaced_by_memory_later(
    server: Callable[..., RunningServer], own_redis: Callable[..., Redis]
) -> None:
    """OTP_STORE_FALLBACK is for the start: a new worker while Redis is away, by a reload or because one died, would
    have forgotten what was sent and used.
    """
    store, number = own_redis(appendonly="yes", appendfsync="always"), {"phone_number": "+919812345678"}
    running = server(store=store.new_url(), OTP_STORE_FALLBACK="memory")
    assert running.post("/send-otp", number).status == 200
    store.kill()
    os.kill(running.pid, signal.SIGHUP)
    wait_until(lambda: "Not reloaded: OTP_STORE_URL: " in running.log(), "the refused reload")
    running.kill_worker()
    wait_until(running.healthy, "the next worker")
    assert running.post("/send-otp", number).status == 503
    store.start()
    wait_until(lambda: running.post("/send-otp", number).status != 503, "Redis")
    assert running.post("/send-otp", number).status == 429
