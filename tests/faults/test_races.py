"""Fifty at once: over four workers and one store, or, where processes cannot share it, in one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.faults.load import Clients, at_once, other_code
from tests.provider import Provider
from tests.rounds import rounds
from tests.running import RunningServer

ROUNDS = rounds(8, 200)
FEWER = rounds(3, 20)
RACERS = 50


@pytest.fixture(scope="module", params=["memory", "sqlite", "redis", "postgres"])
def racers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, new_store: Callable[[str], str]
) -> Iterator[Clients]:
    """Clients of one server with four workers, with the usual gaps between sends."""
    folder, store = tmp_path_factory.mktemp("races"), new_store(request.param)
    workers = 1 if request.param == "memory" else 4
    settings = {"workers": workers, "store": store, "patient": True}
    with Provider() as provider, RunningServer(folder, provider.url, **settings) as server:
        yield Clients(server, provider)


def sent_code(racers: Clients) -> tuple[str, str, str]:
    """A fresh number, its code, and the id of its verification."""
    number = racers.next_number()
    verification_id = racers.send(number).verification
    return number, racers.provider.code(number), verification_id


def race_of_right_codes(racers: Clients, wrong_before: int = 0) -> list[int | None]:
    """The statuses of fifty right codes at once."""
    number, code, _ = sent_code(racers)
    for distance in range(1, wrong_before + 1):
        racers.attempt(number, other_code(code, distance))
    return at_once(RACERS, lambda _: racers.attempt(number, code).status)


def test_one_of_fifty_right_codes_is_accepted(racers: Clients) -> None:
    """A code works once, however many come with it at the same moment."""
    for answers in (race_of_right_codes(racers) for _ in range(ROUNDS)):
        assert answers.count(200) == 1
        assert set(answers) <= {200, 400, 429}
    assert racers.faults() == []


def test_one_of_fifty_right_codes_is_accepted_on_the_last_try(racers: Clients) -> None:
    """The last try is given once, and it is the one that counts."""
    for answers in (race_of_right_codes(racers, wrong_before=4) for _ in range(FEWER)):
        assert answers.count(200) == 1
        assert set(answers) <= {200, 400, 429}
    assert racers.faults() == []


def race_of_wrong_attempts(racers: Clients) -> tuple[list[int | None], dict[str, Any], int | None]:
    """The statuses of fifty wrong attempts at once, what is reported then, and the status of the right code."""
    number, code, verification_id = sent_code(racers)
    answers = at_once(RACERS, lambda n: racers.attempt(number, other_code(code, n + 1)).status)
    return answers, dict(racers.status(number, verification_id).answer), racers.attempt(number, code).status


def test_fifty_wrong_attempts_spend_five_tries(racers: Clients) -> None:
    """However many checks run at once, five are counted; then the right code is refused."""
    for answers, report, right in (race_of_wrong_attempts(racers) for _ in range(FEWER)):
        assert set(answers) <= {400, 429}
        assert (report["status"], report["attempts_left"]) == ("max_attempts_reached", 0)
        assert right == 400
    assert racers.faults() == []


def race_of_sends(racers: Clients) -> tuple[list[int], int]:
    """The statuses of fifty sends to one number at once, and how many messages it got."""
    number = racers.next_number()
    answers = at_once(RACERS, lambda _: racers.send(number).status or 0)
    return answers, [post.number for post in racers.provider.posts].count(number)


def test_fifty_sends_to_one_number_are_one_message(racers: Clients) -> None:
    """The gap between two messages holds for requests at the same moment too; all others must wait."""
    for answers, messages in (race_of_sends(racers) for _ in range(FEWER)):
        assert sorted(answers) == [200] + [429] * (RACERS - 1)
        assert messages == 1
    assert racers.faults() == []
