"""Messages that people write, brought to several real processes over one store at the same moment."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from tests.faults.load import at_once
from tests.phones import fresh_numbers
from tests.provider import Provider
from tests.rounds import rounds
from tests.running import KEYS, WRITTEN_TO, Answer, RunningServer, call, wait_until
from tests.twilio import webhooks

pytestmark = pytest.mark.slow
PATH = "/callbacks/twilio/inbound"
ROUNDS, RACERS = rounds(5, 40), 20


class Writers:
    """People who write to one server of four processes."""

    def __init__(self, server: RunningServer) -> None:
        self.server, self.numbers = server, fresh_numbers()

    def begin(self, **fields: str) -> Any:
        return self.server.post("/verifications/inbound", fields).json

    def report(self, begun: Any) -> Any:
        return self.server.call("GET", f"/verifications/{begun['verification_id']}").json

    def form(self, text: str, number: str = "") -> webhooks.Form:
        return webhooks.inbound_form(f"whatsapp:{number or next(self.numbers)}", "whatsapp:+14155238886", text)

    def bring(self, form: webhooks.Form) -> Answer:
        signature = webhooks.sign("faketoken1234567", WRITTEN_TO["OTP_PUBLIC_URL"] + PATH, form)
        headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded",
                   "Host": "127.0.0.1"}  # fmt: skip
        return call(self.server.port, "POST", PATH, webhooks.urlencode(form), headers)

    def ends(self, begun: Any) -> list[str]:
        """The status of each attempt at a verification that the log has, whichever process wrote it, in any order."""
        lines = [json.loads(line) for line in self.server.log().splitlines() if '"Checked"' in line]
        return sorted(line["status"] for line in lines if line["verification_id"] == begun["verification_id"])


@pytest.fixture(scope="module", params=["memory", "sqlite", "redis", "postgres"])
def writers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, new_store: Callable[[str], str]
) -> Iterator[Writers]:
    folder, store = tmp_path_factory.mktemp("writers"), new_store(request.param)
    workers = 1 if request.param == "memory" else 4
    settings = WRITTEN_TO | {"OTP_APIS": "native,inbound", "OTP_LOG_LEVEL": "DEBUG"}
    with Provider() as provider, RunningServer(
        folder, provider.url, workers=workers, store=store, patient=True, **settings
    ) as server:
        yield Writers(server)


def test_one_of_many_numbers_that_send_a_word_at_once_is_proved(writers: Writers) -> None:
    for _ in range(ROUNDS):
        begun = writers.begin()
        forms = [writers.form(begun["text"]) for _ in range(RACERS)]
        answers = at_once(RACERS, lambda n, forms=forms: writers.bring(forms[n]).status)
        assert set(answers) <= {200, 429}
        shown = writers.report(begun)
        (proved,) = (form for form in forms if form["MessageSid"] == shown["inbound"]["provider_id"])
        assert proved["From"] == f"whatsapp:{shown['phone_number']}"
        assert writers.ends(begun) == ["approved"]


def test_a_message_that_is_brought_many_times_at_once_counts_once(writers: Writers) -> None:
    """Be it right or wrong."""
    for _ in range(ROUNDS):
        number = next(writers.numbers)
        begun = writers.begin(phone_number=number)
        for sender, status in (("", "pending"), (number, "approved")):
            form = writers.form(begun["text"], sender)
            answers = at_once(RACERS, lambda _, form=form: writers.bring(form).status)
            assert set(answers) <= {200, 429}
            assert (writers.report(begun)["status"], writers.report(begun)["attempts"]) == (status, 1)
        assert writers.ends(begun) == ["approved", "pending"]


def test_right_words_from_many_other_numbers_spend_five_attempts(writers: Writers) -> None:
    for _ in range(ROUNDS):
        number = next(writers.numbers)
        begun = writers.begin(phone_number=number)
        at_once(RACERS, lambda _, text=begun["text"]: writers.bring(writers.form(text)).status)
        shown = writers.report(begun)
        assert (shown["status"], shown["attempts"]) == ("max_attempts_reached", 5)
        assert writers.bring(writers.form(begun["text"], number)).status == 200
        assert writers.ends(begun) == ["max_attempts_reached", *["pending"] * 4]


def test_many_verifications_of_a_number_at_once_are_eight(writers: Writers) -> None:
    number = next(writers.numbers)
    statuses = at_once(RACERS, lambda _: writers.server.post("/verifications/inbound", {"phone_number": number}).status)
    assert (statuses.count(200), set(statuses)) == (8, {200, 429})


def test_a_killed_server_loses_no_message_that_twilio_brings_again(tmp_path: Path, fake_twilio: Provider) -> None:
    """Killed before and after the one change of the store: the number is proved once in the end."""
    trigger = tmp_path / "trigger"
    store = f"tests.faults.killing:KillingStore?database={tmp_path}/otp.db&trigger={trigger}"
    settings = WRITTEN_TO | KEYS | {"OTP_APIS": "native,inbound"}
    with RunningServer(tmp_path, fake_twilio.url, store=store, **settings) as server:
        writers = Writers(server)
        for moment, status in (("before 1", "pending"), ("after 1", "approved")):
            number = next(writers.numbers)
            begun = writers.begin(phone_number=number)
            form = writers.form(begun["text"], number)
            trigger.write_text(moment, encoding="ascii")
            with pytest.raises((OSError, HTTPException)):
                writers.bring(form)
            wait_until(lambda: not trigger.exists() and server.healthy(), "a new worker")
            assert writers.report(begun)["status"] == status
            assert writers.bring(form).status == 200
            shown = writers.report(begun)
            assert (shown["status"], shown["phone_number"]) == ("approved", number)
