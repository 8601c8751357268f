"""Jobs of events where something is unusual: a server without a receiver, several servers that count."""

from __future__ import annotations

from typing import Any

import pytest

from otp_app.background.webhooks.caretaker import ELSEWHERE, Bystander
from otp_app.background.webhooks.opening import LIMIT, LIMIT_EVERY, Webhooks
from otp_app.core.instant import Instant
from otp_app.core.journal import job_id
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
