"""The support case "customer +… got no code", from the request over the stand-in to the operator's command."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from otp_app.channels.twilio import errors
from otp_app.cli import number_report, showing, verifications
from otp_app.core.policy import DAY
from otp_app.settings import keyring
from otp_app.system.program import COMMAND
from tests.apis.callbacks.conftest import ACCOUNT
from tests.command import run
from tests.running import free_port, wait_until
from tests.twilio.fake_twilio import FakeTwilio
from tests.web.site import Site

KEYS = ("otp_secret_keys", "otp_index_key")


class Case:
    """A server with an operator beside it, and a customer."""

    def __init__(self, site: Site, twilio: FakeTwilio, capsys: Any) -> None:
        self.site, self.twilio, self._capsys, self.number = site, twilio, capsys, site.number()

    def send(self, channel: str) -> None:
        """Somebody asks for a code."""
        self.site.post("/send-otp", {"phone_number": self.number, "channel": channel})
        assert self.twilio.drain()

    def lines(self) -> list[str]:
        """What the operator reads; the first thing that helps stands behind WHAT HELPS."""
        ended = run(self._capsys, "verifications", "show", "--number", self.number)
        assert (ended.status, self.number in ended.output) == (0, False)
        return ended.output.splitlines()

    def shown(self) -> dict[str, Any]:
        """The same, as a program reads it."""
        ended = run(self._capsys, "verifications", "show", "--number", self.number, "--json")
        return dict(json.loads(ended.output))

    def forget(self) -> dict[str, Any]:
        """Have the store forget the number once the history knows of it, and return what the history then says."""
        def in_history() -> bool:
            return bool(self.site.services.history.database and self._rows())

        self.site.clock.advance(700.0)
        wait_until(in_history, "a row of the history", 20)
        store: Any = self.site.services.store
        for item in list(store.scan()):
            store.swap(item.key, item.value, None, DAY)
        return self.shown()

    def _rows(self) -> list[Any]:
        history: Any = self.site.services.history
        name = history.numbers.name(self.number)
        with history.database.reading() as session:
            return list(session.rows("SELECT id FROM otp_history WHERE number = ?", (name,)))


@pytest.fixture
def case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path
) -> Iterator[Case]:
    port, store = free_port(), f"sqlite:///{tmp_path}/otp.db"
    url = f"http://127.0.0.1:{port}"
    with FakeTwilio() as twilio:
        given = ACCOUNT | {"twilio_api_base_url": twilio.url, "otp_public_url": url, "otp_store_url": store}
        with closing(Site(**given)) as site:
            for name in KEYS:
                monkeypatch.setenv(name.upper(), getattr(site.services.settings, name))
            monkeypatch.setenv("OTP_STORE_URL", store)
            monkeypatch.setenv("PORT", str(port))
            for module in (showing, verifications):
                monkeypatch.setattr(module, "system_clock", lambda: site.clock)
            server = make_server("127.0.0.1", port, site.app, threaded=True)
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            site.send(site.number())  # of another customer: it makes the store
            yield Case(site, twilio, capsys)
            server.shutdown()
            server.server_close()


@pytest.mark.parametrize("error", [63016, 63024])
def test_a_message_that_whatsapp_dropped(case: Case, error: int) -> None:
    """With the sentence of its error, from the store and later from the history."""
    case.twilio.script(f"whatsapp:{case.number}", "sent", f"undelivered:{error}")
    case.send("whatsapp")
    sentence = f"whatsapp, error {error}: {errors.meaning(error).sentence}"
    lines = case.lines()
    assert lines[lines.index("What helps:") + 1] == f"  {sentence}."
    assert any(line.endswith("undelivered: it will not arrive") for line in lines)
    later = case.forget()
    assert (later["verifications"], later["advice"]) == ([], [sentence])
    assert later["history"][0]["sends"][0]["delivery"] == "undelivered"
    assert "From the history:" in case.lines()


def test_no_sms_is_advised_once_one_was_sent(case: Case) -> None:
    """By the report of a number and by the status, from the store and later from the history."""
    case.twilio.script(f"whatsapp:{case.number}", "sent", "undelivered:63024")
    case.send("whatsapp")
    case.site.clock.seconds += 60
    case.send("sms")
    fact = errors.meaning(63024).fact
    assert f"  whatsapp, error 63024: {fact}." in case.lines()
    (shown,) = case.shown()["verifications"]
    assert [send["explanation"] for send in shown["sends"]] == [fact, None]
    assert shown["sends"][0]["receipts"][-1]["explanation"] == fact
    (ended,) = case.forget()["history"]
    assert [send["explanation"] for send in ended["sends"]] == [fact, None]


def test_a_number_that_twilio_refuses_after_stop(case: Case) -> None:
    """No verification remains of it, and it is known all the same; so is how long the refusal is believed."""
    case.twilio.fail(21610, to=case.number)
    case.send("sms")
    shown = case.shown()
    assert shown["advice"][0] == f"sms, error 21610: {errors.meaning(21610).sentence}"
    assert [(refusal["channel"], refusal["reason"]) for refusal in shown["refusals"]] == [("sms", "opted_out")]
    assert "is not asked again until" in shown["advice"][1]
    assert "  Refused by sms at" in "\n".join(case.lines())
    assert case.forget()["advice"] == shown["advice"][:1]


def test_a_number_that_wrote_stop_to_us(case: Case) -> None:
    case.site.services.verifications.opt_outs.stop(case.number)
    assert number_report.STOPPED in case.shown()["advice"]
    assert any(line.startswith("  STOP since 20") for line in case.lines())


def test_a_number_that_is_limited(case: Case) -> None:
    """The wait is named, and the command that ends it does."""
    for _ in range(2):
        case.send("sms")
    shown = case.shown()
    assert (shown["limit"]["error_type"], shown["messages"]) == ("resend_too_soon", {"hour": 1, "day": 1})
    assert shown["advice"][0] == number_report.ON_THE_PHONE
    assert f"`{COMMAND} numbers reset +…`" in shown["advice"][1]
    assert "  Limit reached: resend_too_soon, 30 s" in case.lines()
    case.site.clock.advance(31.0)
    assert case.shown()["limit"] is None


def test_a_number_that_is_blocked(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "numbers", "block", case.number).status == 0
    case.send("sms")
    assert case.shown()["advice"] == [number_report.BLOCKED, number_report.NEVER]
    assert "  Blocked by an operator" in case.lines()


def test_a_number_that_was_never_asked_for(case: Case) -> None:
    assert case.shown()["advice"] == [number_report.NEVER]
    assert case.lines()[-1] == f"  {number_report.NEVER}."


def test_a_code_that_was_used_and_one_that_was_guessed_at(case: Case) -> None:
    case.send("sms")
    for _ in range(5):
        case.site.verify(case.number, "0000000"[: len(str(case.twilio.code_for(case.number)))])
    assert case.shown()["advice"][:2] == [number_report.WRONG_CODES, number_report.ON_THE_PHONE]
    case.site.clock.advance(3600.0)
    case.send("sms")
    assert case.site.verify(case.number, str(case.twilio.code_for(case.number))).json["success"]
    assert case.shown()["advice"][0] == number_report.APPROVED


def test_without_a_history_the_rest_is_shown(case: Case, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("OTP_HISTORY_URL", "off")
    assert case.shown()["history_missing"] == number_report.NO_HISTORY
    assert number_report.NO_HISTORY in run(capsys, "verifications", "show", "--number", case.number).error


def test_a_history_that_cannot_be_read_is_no_sign_that_nobody_asked(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the keys are not those of the servers."""
    monkeypatch.setenv("OTP_SECRET_KEYS", f"k9:{keyring.new_secret()}")
    monkeypatch.setenv("OTP_INDEX_KEY", keyring.new_secret())
    shown = case.shown()
    assert "OTP_INDEX_KEY" in shown["history_missing"]
    assert shown["advice"] == [number_report.UNSEEN.format(shown["history_missing"])]


def test_what_is_pending_of_a_number_is_canceled(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    """Of this number alone; once."""
    case.send("sms")
    assert run(capsys, "verifications", "cancel", "--number", case.number).output.endswith(": canceled\n")
    assert [shown["status"] for shown in case.shown()["verifications"]] == ["canceled"]
    again = run(capsys, "verifications", "cancel", "--number", case.number)
    assert (again.status, again.error.splitlines()[-1]) == (1, "Nothing is pending for this number")
    assert '"pending"' in run(capsys, "verifications", "list", "--json").output
    assert run(capsys, "verifications", "cancel").status == 2


@pytest.mark.parametrize("delivery", ["sent", "delivered"])
def test_the_advice_for_a_code_on_the_terminal_speaks_of_no_phone(delivery: str) -> None:
    """`sent` in the store, `delivered` in the history."""
    send = {"channel": "console", "delivery": delivery, "error_code": None}
    known = {"status": "pending", "created_at": "2026-11-30T12:00:00Z", "sends": [send]}
    state = {"blocked": False, "stopped_at": None, "refusals": [], "limit": None}
    assert list(number_report._advice(state, [known], "")) == [number_report.PRINTED]
