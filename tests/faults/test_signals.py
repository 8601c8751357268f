"""Reloading and stopping lose nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from tests.faults.load import Clients, at_once
from tests.history import Event
from tests.provider import Provider
from tests.running import wait_until


@pytest.mark.parametrize("workers", [1, 4])
def test_reloading_five_times_under_load_fails_no_request(clients: Callable[..., Clients], workers: int) -> None:
    """SIGHUP replaces the workers while clients go on: every call is answered, none with a 5xx."""
    with clients(workers=workers) as busy:
        for _ in range(5):
            busy.wait_for(40)
            busy.server.hup()
        busy.wait_for(40)
    assert [event for event in busy.history.events if event.status is None or event.status >= 500] == []
    assert busy.faults() == []


def test_stopping_finishes_what_has_begun(clients: Callable[..., Clients], fake_twilio: Provider) -> None:
    """SIGTERM with eight sends waiting for a slow provider: all are answered, and the server ends with status 0."""
    calm = clients()
    fake_twilio.latency = 0.7
    answers: list[Event] = []
    sending = threading.Thread(target=lambda: answers.extend(at_once(8, lambda _: calm.send(calm.next_number()))))
    sending.start()
    wait_until(lambda: len(fake_twilio.calls) == 8, "eight requests at the provider")
    calm.server.term()
    sending.join()
    assert [event.status for event in answers] == [200] * 8
    assert calm.server.wait(60) == 0
