"""kill -9 of one server of three, in the middle of sends and checks."""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections.abc import Iterable

from tests.faults.load import at_once
from tests.history import Event
from tests.provider import Provider
from tests.running import RunningServer, wait_until
from tests.scaled.fleet import FleetClients

BETWEEN = 100  # answered calls before and after each blow
BACK = 20  # answers that prove that a server serves


def kill(server: RunningServer) -> tuple[float, float]:
    """SIGKILL to all its processes; return when that began, and when nobody listened there any more."""
    began = time.monotonic()
    server.kill_all()
    wait_until(lambda: is_refused(server.port), "the end of all its processes")
    return began, time.monotonic()


def is_refused(port: int) -> bool:
    """Whether nobody listens there: a process that still ends may take a connection, and never answer."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED


def outside(failed: Iterable[Event], began: float, ended: float) -> list[Event]:
    """The calls that were not in flight while a server was killed."""
    return [event for event in failed if event.t0 > ended or event.t1 < began]


def test_a_killed_server_takes_only_its_own_requests_with_it(clients: FleetClients, fake_twilio: Provider) -> None:
    """Of six sends that wait for a slow provider, two at each server, the two there fail, and are not done twice."""
    victim, nginx = clients.fleet.servers[1], clients.fleet.nginx
    fake_twilio.latency = 0.7
    answers: list[Event] = []
    sending = threading.Thread(target=lambda: answers.extend(at_once(6, lambda _: clients.send(clients.next_number()))))
    sending.start()
    wait_until(lambda: len(fake_twilio.calls) == 6, "six requests at the provider")
    victim.kill_all()
    sending.join()
    assert sorted(event.status or 0 for event in answers) == [0, 0, 200, 200, 200, 200]
    each = {(server.port, 502 if server is victim else 200): 2 for server in clients.fleet.servers}
    wait_until(lambda: nginx.served() == each, f"{each} in nginx's log, a line after each answer")
    assert clients.faults() == []


def test_a_dead_server_costs_nobody_a_request(clients: FleetClients) -> None:
    """What cannot reach it, POSTs too, is passed on to one that lives."""
    kill(clients.fleet.servers[1])
    assert [clients.send(clients.next_number()).status for _ in range(9)] == [200] * 9
    assert clients.faults() == []


def test_under_load_the_others_go_on(clients: FleetClients, fake_twilio: Provider) -> None:
    """Calls in flight while a server was killed may fail, and no others."""
    fake_twilio.latency = 0.02
    with clients:
        clients.wait_for(BETWEEN)
        died = kill(clients.fleet.servers[1])
        clients.wait_for(BETWEEN)
    assert outside(clients.failed(), *died) == []
    assert clients.faults() == []


def test_a_server_that_comes_back_serves_again(clients: FleetClients) -> None:
    """Without a reload of nginx, and without a call that fails; codes, tries and limits are those of all."""
    victim, nginx = clients.fleet.servers[1], clients.fleet.nginx
    with clients:
        clients.wait_for(BETWEEN)
        died = kill(victim)
        clients.wait_for(BETWEEN)
        victim.start()
        served = nginx.served()[victim.port, 200]
        wait_until(lambda: nginx.served()[victim.port, 200] >= served + BACK, "answers of the server that is back", 60)
    assert outside(clients.failed(), *died) == []
    assert clients.faults() == []
