"""Reloading and stopping servers of a fleet lose nothing."""

from __future__ import annotations

import threading

from tests.faults.load import at_once
from tests.history import Event
from tests.provider import Provider
from tests.running import RunningServer, wait_until
from tests.scaled.fleet import FleetClients

ROUNDS = 2
BETWEEN = 100  # answered calls before and after each reload


def test_reloading_all_servers_under_load_fails_no_request(clients: FleetClients) -> None:
    """SIGHUP to all three at the same moment, twice: every call is answered, none with a 5xx."""
    with clients:
        for _ in range(ROUNDS):
            clients.wait_for(BETWEEN)
            clients.fleet.each(RunningServer.hup)
        clients.wait_for(BETWEEN)
    assert clients.failed() == []
    assert clients.faults() == []


def test_stopping_all_servers_finishes_what_has_begun(clients: FleetClients, fake_twilio: Provider) -> None:
    """SIGTERM with nine sends waiting for a slow provider: all are answered, and all servers end with status 0."""
    fake_twilio.latency = 0.7
    answers: list[Event] = []
    sending = threading.Thread(target=lambda: answers.extend(at_once(9, lambda _: clients.send(clients.next_number()))))
    sending.start()
    wait_until(lambda: len(fake_twilio.calls) == 9, "nine requests at the provider")
    clients.fleet.each(RunningServer.term)
    sending.join()
    assert [event.status for event in answers] == [200] * 9
    assert clients.fleet.each(lambda server: server.wait(60)) == [0] * 3
    assert clients.faults() == []
