"""Fifty at once over four workers, where Twilio Verify checks the codes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.load import Clients
from tests.faults.test_races import FEWER, RACERS, race_of_right_codes, race_of_sends, race_of_wrong_attempts
from tests.provider import Provider
from tests.running import RunningServer


@pytest.fixture(scope="module")
def racers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    folder, settings = tmp_path_factory.mktemp("races"), {"TWILIO_VERIFICATION_SERVICE_SID": "VA" + "1" * 32}
    with (
        Provider() as provider,
        RunningServer(folder, provider.url, workers=4, patient=True, OTP_CHANNELS="", **settings) as server,
    ):
        provider.latency = 0.01  # so that questions are on their way together
        yield Clients(server, provider)
        assert provider.violations == []


def asked(racers: Clients) -> int:
    """How often Twilio was asked about a code."""
    return sum(call.operation == "CreateVerificationCheck" for call in racers.provider.calls)


@pytest.mark.parametrize("wrong_before", [0, 3, 4])
def test_one_of_fifty_right_codes_is_accepted(racers: Clients, wrong_before: int) -> None:
    """Also where Twilio has forgotten the code by the time that it is asked about the others."""
    for answers in (race_of_right_codes(racers, wrong_before) for _ in range(FEWER)):
        assert answers.count(200) == 1
        assert set(answers) <= {200, 400, 429}
    assert racers.faults() == []


def test_of_fifty_wrong_attempts_twilio_sees_five(racers: Clients) -> None:
    for _ in range(FEWER):
        before = asked(racers)
        answers, report, right = race_of_wrong_attempts(racers)
        assert set(answers) <= {400, 429}
        assert (report["status"], report["attempts_left"], right) == ("max_attempts_reached", 0, 400)
        assert asked(racers) == before + 5
    assert racers.faults() == []


def test_fifty_sends_to_one_number_are_one_message(racers: Clients) -> None:
    answers, messages = race_of_sends(racers)
    assert (sorted(answers), messages) == ([200] + [429] * (RACERS - 1), 1)
