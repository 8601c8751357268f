"""Metrics of a worker: each message once, by what became of it."""

from __future__ import annotations

import pytest

from otp_app.bus.connecting import FAULTS
from otp_app.bus.letters import REQUESTS
from otp_app.core.errors import StoreUnavailable
from tests.bus.desk import TTL, Desk
from tests.bus.working import Worker, ask
from tests.history import History
from tests.monitoring.metrics.reading import read, scraped, value
from tests.running import free_port, wait_until


@pytest.fixture
def open_desk(open_site):
    """Call it to get a desk whose metrics are read."""
    return lambda handle=None: Desk(open_site(otp_apis=("native", "metrics"), otp_client_limits=""), handle)


def worked(desk: Desk) -> dict[tuple[str, str], float]:
    """How many messages there were, by result and reason; "taken": with how many the worker began."""
    found = read(desk.site.call("GET", "/metrics").get_data(as_text=True))
    by_end = {(dict(labels)["result"], dict(labels)["reason"]): number for (name, labels), number in found.items()
              if number and name == "otp_worker_messages_total" and ("queue", "otp_queue") in labels}  # fmt: skip
    return by_end | {("taken", ""): value(found, "otp_worker_messages_taken_total", queue="otp_queue")}


def test_messages_are_counted_by_what_became_of_them(open_desk):
    """Sent, and dead for a limit, a field and age."""
    desk = open_desk()
    number = desk.site.number()
    desk.take(desk.letter("m1", phone_number=number))
    desk.take(desk.letter("m2", phone_number=number))
    desk.take(desk.letter("m3", phone_number=4))
    old = desk.letter("m4", phone_number=desk.site.number())
    desk.site.clock.advance(TTL + 1)
    desk.take(old)
    assert worked(desk) == {
        ("taken", ""): 4, ("done", "none"): 1, ("dead", "resend_too_soon"): 1, ("dead", "unreadable"): 1,
        ("dead", "expired"): 1,
    }  # fmt: skip


def test_a_message_that_is_tried_again_is_one(open_desk):
    failing = iter([StoreUnavailable(), StoreUnavailable()])

    def handle(*_):
        if error := next(failing, None):
            raise error

    desk = open_desk(handle)
    assert desk.take(desk.letter(phone_number="+14155552671"))
    assert worked(desk) == {("taken", ""): 1, ("done", "none"): 1}


def test_what_is_left_to_another_worker_is_not_done(open_desk):
    """At its end, and where the connection breaks meanwhile."""

    def away(*_):
        desk.stopping.set()
        raise StoreUnavailable

    desk = open_desk(away)
    assert not desk.take(desk.letter(phone_number="+14155552671"))

    def broken(*_):
        raise FAULTS[0]

    desk.consumer._handle = broken
    with pytest.raises(FAULTS):
        desk.take(desk.letter(phone_number="+14155552671"))
    assert worked(desk) == {("taken", ""): 2, ("left", "none"): 2}


def test_dead_letters_that_there_should_never_be_are_there_from_the_start(open_desk):
    """An alert on an increase misses the first one of a series that comes with it."""
    found = read(open_desk().site.call("GET", "/metrics").get_data(as_text=True))
    of_worker = [dict(labels) for name, labels in found if name == "otp_worker_messages_total"]
    assert {labels["reason"] for labels in of_worker} == {
        "none", "expired", "unreadable", "redelivered_without_id", "internal_error"
    }  # fmt: skip


def test_without_metrics_it_works_alike(open_site):
    desk = Desk(open_site())
    assert desk.site.services.meter is None
    assert desk.take(desk.letter(phone_number=desk.site.number()))


@pytest.mark.slow
def test_workers_show_their_messages(server, rabbit, open_publisher, fake_twilio, tmp_path) -> None:
    """Each its own, at a port of its own."""
    environment = server(start=False, OTP_AMQP_URL=rabbit.url(), OTP_AMQP_CONSUMERS="1").environment
    ports = [free_port(), free_port()]
    workers = [Worker(tmp_path, environment | {"OTP_METRICS_PORT": str(port)}) for port in ports]
    try:
        history, publisher = History(), open_publisher(rabbit.url())
        for number in ("+14155552671", "+14155552672", "+14155552671"):
            ask(publisher, number, history)
        wait_until(lambda: sum(value(scraped(port), "otp_worker_messages_total") for port in ports) == 3, "all three")
        found = [scraped(port) for port in ports]
        both = {name: sum(value(each, name, **labels) for each in found) for name, labels in (
            ("otp_worker_messages_taken_total", {"queue": REQUESTS.queue}),
            ("otp_messages_total", {"outcome": "sent"}),
        )}  # fmt: skip
        assert both == {"otp_worker_messages_taken_total": 3, "otp_messages_total": 2}
        assert sum(value(each, "otp_worker_messages_total", result="done") for each in found) == 2
        assert sum(value(each, "otp_worker_messages_total", reason="resend_too_soon") for each in found) == 1
    finally:
        assert [worker.stop() for worker in workers] == [0, 0]
