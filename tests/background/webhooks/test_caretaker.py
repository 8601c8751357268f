"""Jobs of events where something is unusual: a server without a receiver, several servers that count."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from otp_app.background.webhooks import opening
from otp_app.background.webhooks.caretaker import ELSEWHERE, Bystander
from otp_app.background.webhooks.opening import LIMIT, LIMIT_EVERY, Webhooks
from otp_app.background.webhooks.sender import Sender
from otp_app.core.instant import Instant
from otp_app.core.journal import Journal, job_id
from otp_app.core.policy import DAY
from otp_app.stores.memory import MemoryJobs, MemoryStore
from tests.background.webhooks.telling import AWAY, Telling
from tests.configuration import make_settings


@pytest.fixture
def telling() -> Telling:
    return Telling()


def bystander(telling: Telling) -> Bystander:
    return Bystander(telling.world.store, telling.world.service().notebook, telling.clock)


def test_a_server_without_a_receiver_leaves_jobs_to_others_as_long_as_one_may_come_to_them(telling: Telling) -> None:
    id_ = telling.world.send().verification_id.encode()
    telling.world.journal = None
    for _ in range(2):
        assert bystander(telling).look(id_) == ELSEWHERE
        telling.clock.forward(DAY / 2)
    telling.clock.forward(400)
    assert bystander(telling).look(id_) is None


def test_a_server_without_a_receiver_leaves_the_outbox_alone(telling: Telling) -> None:
    id_ = telling.world.send().verification_id
    telling.receiver.always = AWAY
    telling.check(telling.world.code())
    telling.tell()
    telling.clock.forward(400)
    assert bystander(telling).look(id_.encode()) == ELSEWHERE
    assert telling.box(id_)


def opened(put: Callable[[str, bytes, float], None]) -> Webhooks:
    """What tells of events at a server, where each verification that it is woken for waits."""
    secret: Any = (b"0123456789abcdefghijklmnopqrstuv",)
    settings = make_settings(otp_events_url="https://example.com/", otp_events_secrets=secret)
    webhooks = Webhooks(settings, MemoryStore(), (), put, lambda: Instant(0.0, "", 0.0))
    webhooks._sender = Sender(linger=60.0)
    webhooks.journal = Journal(put, webhooks._sender.wake)
    return webhooks


def test_a_server_that_ends_hands_over_what_waits_many_at_once() -> None:
    """One write after the other would last longer than its end may."""
    together, handed_over = threading.Barrier(4), []

    def put(job: str, _: bytes, delay: float) -> None:
        together.wait(10)
        handed_over.append((job, delay))

    webhooks = opened(put)
    for number in range(40):
        webhooks.journal.wake(f"VE{number}")
    webhooks.close()
    assert sorted(handed_over) == sorted((job_id(f"VE{number}"), 0.0) for number in range(40))


def test_a_server_that_ends_leaves_to_their_jobs_what_it_cannot_hand_over_in_time(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "HAND_OVER", 0.0)
    webhooks = opened(lambda *_: pytest.fail("it is too late"))
    webhooks.journal.wake("VE1")
    webhooks.close()


def test_servers_that_fail_at_once_put_one_count_a_minute_which_is_not_put_off() -> None:
    now = [1_800_000_030.0]
    store = MemoryStore(clock=lambda: now[0])
    jobs = MemoryJobs(lambda: now[0])

    def webhooks() -> Webhooks:
        secret: Any = (b"0123456789abcdefghijklmnopqrstuv",)
        settings = make_settings(otp_events_url="https://example.com/", otp_events_secrets=secret)
        return Webhooks(settings, store, (), jobs.put, lambda: Instant(now[0], "", 0.0))

    one, other = webhooks(), webhooks()
    for seconds in (0, 20, 29):
        now[0] = 1_800_000_030.0 + seconds
        for server in (one, other):
            server._put_again(job_id("VE1"), b"", 3600.0)
    now[0] = 1_800_000_030.0 + LIMIT_EVERY + 1
    due = [job.id for job in jobs.take(20.0, 10)]
    assert due == [f"{LIMIT}:30000000"]
