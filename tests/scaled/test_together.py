"""Whichever server a caller meets, it knows what the others know: codes, tries, gaps, caps, limits, answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from tests.faults.load import at_once, other_code
from tests.history import History, check
from tests.phones import fresh_numbers
from tests.provider import Provider
from tests.running import Answer, RunningServer, call
from tests.scaled.fleet import AS_SHOP, Fleet, items

FIRST_GAP = 0.2  # seconds after a number's first message; after the next one it is a minute
SENDS_AN_HOUR = 3
CHECKS_A_DAY = 4  # of one address without a key
SETTINGS = {
    "OTP_RESEND_GAPS": f"{FIRST_GAP},60",
    "OTP_SENDS_PER_HOUR": str(SENDS_AN_HOUR),
    "OTP_CHECK_LIMITS": f"{CHECKS_A_DAY}/day",
}
numbers = fresh_numbers()


class Together(NamedTuple):
    """Three servers on one store, asked one by one, and what was seen of them."""

    fleet: Fleet
    provider: Provider
    history: History

    def send(self, server: int, number: str, **headers: str) -> Answer:
        """Ask one of the servers for a code."""
        return self._ask(server, "send", number, "", "/send-otp", {"phone_number": number}, headers)

    def attempt(self, server: int, number: str, code: str) -> Answer:
        """Check a code at one of the servers."""
        return self._ask(server, "check", number, code, "/verify-otp", {"phone_number": number, "otp": code}, {})

    def status(self, server: int, number: str, verification_id: str) -> Answer:
        """Ask one of the servers what became of a verification."""
        return self._ask(server, "status", number, verification_id, f"/verifications/{verification_id}", None, {})

    def messages(self, number: str) -> int:
        """How many there were to a number."""
        return sum(post.number == number for post in self.provider.posts)

    def _ask(self, server: int, op: str, number: str, given: str, path: str, body: object,
             headers: dict[str, str]) -> Answer:  # fmt: skip
        answers = []

        def ask() -> Answer:
            port, method = self.fleet.servers[server].port, "POST" if body else "GET"
            answers.append(call(port, method, path, body, AS_SHOP | headers))
            return answers[0]

        self.history.record(op, number, given, ask)
        return answers[0]


@pytest.fixture(scope="module", params=["redis", "postgres"])
def three(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, new_store: Callable[[str], str]
) -> Iterator[Together]:
    """The servers; after the last test all that was seen is judged, and what the store has."""
    url, folder = new_store(request.param), tmp_path_factory.mktemp("together") / "fleet"
    with Provider() as provider, Fleet(folder, provider.url, url, **SETTINGS) as fleet:
        together = Together(fleet, provider, History())
        yield together
        texts = fleet.texts() | {"the store": repr(items(url)).encode()}
        assert check(together.history.events, provider.posts, texts) == []
        assert provider.violations == []


def test_a_code_is_good_at_every_server(three: Together) -> None:
    """Sent by the first, accepted by the second, reported by the third."""
    number = next(numbers)
    sent = three.send(0, number).json
    approved = three.attempt(1, number, three.provider.code(number))
    assert (approved.status, approved.json["verification_id"]) == (200, sent["verification_id"])
    assert three.status(2, number, sent["verification_id"]).json["status"] == "approved"


def test_a_code_is_accepted_once(three: Together) -> None:
    """Of three servers that are asked at the same moment, one accepts."""
    number = next(numbers)
    three.send(0, number)
    code = three.provider.code(number)
    assert sorted(at_once(3, lambda server: three.attempt(server, number, code).status)) == [200, 400, 400]


def test_tries_are_counted_together(three: Together) -> None:
    """Five wrong attempts, wherever they were made, and the right code is no good any more."""
    number = next(numbers)
    sent = three.send(0, number).json
    code = three.provider.code(number)
    wrong = [three.attempt(turn % 3, number, other_code(code, 1 + turn)).status for turn in range(5)]
    assert wrong == [400] * 5
    assert [three.attempt(server, number, code).status for server in range(3)] == [400] * 3
    assert three.status(1, number, sent["verification_id"]).json["status"] == "max_attempts_reached"


def test_the_gap_holds_at_every_server(three: Together) -> None:
    """Who just got a message from one gets none from another, and the gap grows with the messages of all."""
    number = next(numbers)
    assert three.send(0, number).status == 200
    time.sleep(FIRST_GAP)
    assert three.send(1, number).status == 200
    time.sleep(FIRST_GAP)
    refused = [three.send(server, number) for server in range(3)]
    assert [(answer.status, answer.json["error_type"]) for answer in refused] == [(429, "resend_too_soon")] * 3
    assert three.messages(number) == 2


def test_the_cap_of_an_hour_is_counted_together(three: Together) -> None:
    """So many messages from all of them, however honest; then every server refuses."""
    number = next(numbers)
    for server in range(SENDS_AN_HOUR):
        assert three.send(server, number).status == 200
        assert three.attempt((server + 1) % 3, number, three.provider.code(number)).status == 200
        time.sleep(FIRST_GAP)
    refused = [three.send(server, number) for server in range(3)]
    assert [(answer.status, answer.json["error_type"]) for answer in refused] == [(429, "too_many_sends")] * 3
    assert three.messages(number) == SENDS_AN_HOUR


def test_an_idempotency_key_is_known_at_every_server(three: Together) -> None:
    """The other servers give the first one's answer; there is one message."""
    number, key = next(numbers), {"Idempotency-Key": "order-4711"}
    answers = [three.send(server, number, **key) for server in range(3)]
    assert [answer.status for answer in answers] == [200] * 3
    assert answers[0].json == answers[1].json == answers[2].json
    assert three.messages(number) == 1


def test_of_the_same_key_at_once_one_sends(three: Together) -> None:
    """The servers that lose have the winner's answer, or say that it is not there yet."""
    number, key = next(numbers), {"Idempotency-Key": "order-4712"}
    answers = at_once(3, lambda server: three.send(server, number, **key))
    assert {answer.status for answer in answers} <= {200, 409}
    assert three.messages(number) == 1


def test_clients_are_counted_together(three: Together) -> None:
    """The requests of one address, at whichever server; another address is not touched."""
    body, crowd = {"phone_number": next(numbers), "otp": "123456"}, {"X-Forwarded-For": "203.0.113.7"}

    def attempt(server: RunningServer, headers: dict[str, str]) -> int:
        return call(server.port, "POST", "/verify-otp", body, headers).status

    servers = three.fleet.servers
    assert [attempt(servers[turn % 3], crowd) for turn in range(CHECKS_A_DAY)] == [400] * CHECKS_A_DAY
    assert [attempt(server, crowd) for server in servers] == [429] * 3
    assert attempt(servers[0], {"X-Forwarded-For": "203.0.113.8"}) == 400
