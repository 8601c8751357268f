"""Twilio Verify as a channel: what Twilio's answers mean for a message, a check and an end."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator

import pytest
from msgspec.structs import replace

from otp_app.channels import faults, open_channels, unopened
from otp_app.channels.twilio.client import TwilioClient
from otp_app.channels.twilio.verify import VerifyChannel
from otp_app.core.delivery import Delivery, Finding, Maker, Outcome, Reason
from otp_app.settings import Settings
from tests.channels.messages import CODE, RECIPIENT, UNKNOWN, message
from tests.core.fakes import wrong
from tests.twilio.broken_twilio import MODES, BrokenTwilio, refused_url, say, send
from tests.twilio.fake_twilio import FakeTwilio

SERVICE, VERIFICATION = "VA" + "1" * 32, "VE" + "2" * 32


@pytest.fixture
def settings(settings_for: Callable[..., Settings], twilio: FakeTwilio) -> Settings:
    given = {"otp_channels": ("twilio_verify",), "twilio_verification_service_sid": SERVICE}
    return settings_for(twilio.url, **given)


@pytest.fixture
def channels(settings: Settings) -> Iterator[dict[str, VerifyChannel]]:
    opened = open_channels(settings)
    yield {channel.name: channel for channel in opened}  # type: ignore[misc]
    opened[0].close()


@pytest.fixture
def at(open_client: Callable[..., TwilioClient]) -> Callable[..., VerifyChannel]:
    def make(url: str, timeout: float = 2.0) -> VerifyChannel:
        client = open_client(url, timeout=timeout)
        return VerifyChannel(client, client.verify_service(SERVICE, url), Maker("twilio_verify", 6))

    return make


def test_three_channels_of_which_one_is_used_unasked(channels: dict[str, VerifyChannel]) -> None:
    assert {name: (c.by_request, c.landlines) for name, c in channels.items()} == {
        "sms": (False, False), "whatsapp": (True, True), "call": (True, True),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["sms", "whatsapp", "call"])
def test_a_code_is_sent_checked_and_used_up(
    channels: dict[str, VerifyChannel], twilio: FakeTwilio, name: str
) -> None:
    channel, delivery = channels[name], channels[name].deliver(message())
    code = twilio.code_for(RECIPIENT) or ""
    assert (delivery.outcome, delivery.provider_id[:2], code == CODE) == (Outcome.SENT, "VE", False)
    assert twilio.calls[-1].form["Channel"] == [name]
    assert channel.check(delivery.provider_id, wrong(code)) is Finding.WRONG
    assert channel.check(delivery.provider_id, code) is Finding.RIGHT
    assert channel.check(delivery.provider_id, code) is Finding.GONE


@pytest.mark.parametrize(
    ("locale", "asked"),
    [("", None), ("es-MX", ["es"]), ("en_GB.UTF-8", ["en-GB"]), ("ZH-hk", ["zh-HK"]), ("fy", None), ("*", None)],
)
def test_a_language_is_asked_for_where_twilio_has_it(
    channels: dict[str, VerifyChannel], twilio: FakeTwilio, locale: str, asked: list[str] | None
) -> None:
    """Another one would be refused; without one Twilio chooses by the number."""
    channels["sms"].deliver(replace(message(), locale=locale))
    assert twilio.calls[-1].form.get("Locale") == asked


@pytest.mark.parametrize(("name", "asked"), [("sms", ["FA+9qCX9VSu"]), ("whatsapp", None), ("call", None)])
def test_the_hash_of_an_app_is_for_text_messages(
    channels: dict[str, VerifyChannel], twilio: FakeTwilio, name: str, asked: list[str] | None
) -> None:
    channels[name].deliver(replace(message(), app_hash="FA+9qCX9VSu"))
    assert twilio.calls[-1].form.get("AppHash") == asked


def test_a_code_can_be_checked_by_the_number(channels: dict[str, VerifyChannel], twilio: FakeTwilio) -> None:
    channels["sms"].deliver(message())
    assert channels["sms"].check(RECIPIENT, twilio.code_for(RECIPIENT) or "") is Finding.RIGHT


@pytest.mark.parametrize("approved", [True, False])
def test_a_verification_ends_once_and_is_then_gone(
    channels: dict[str, VerifyChannel], twilio: FakeTwilio, approved: bool
) -> None:
    channels["sms"].deliver(message())
    assert channels["sms"].end(RECIPIENT, approved=approved)
    (held,) = twilio.verify.verifications.values()
    assert held["status"] == ("approved" if approved else "canceled")
    assert channels["sms"].end(RECIPIENT, approved=approved)


def test_twilios_own_limits(channels: dict[str, VerifyChannel], twilio: FakeTwilio) -> None:
    twilio.verify.max_sends, twilio.verify.max_checks = 1, 1
    sid = channels["sms"].deliver(message()).provider_id
    assert channels["sms"].deliver(message()) == Delivery(Outcome.REFUSED, "", Reason.THROTTLED, 60203)
    code = twilio.code_for(RECIPIENT) or ""
    assert [channels["sms"].check(sid, attempt) for attempt in (wrong(code), code)] == [Finding.WRONG, Finding.SPENT]


@pytest.mark.parametrize(("mode", "sent", "found"), [
    ("500", Outcome.UNKNOWN, Finding.UNKNOWN),
    ("html", Outcome.UNKNOWN, Finding.UNKNOWN),
    ("object", Outcome.UNKNOWN, Finding.UNKNOWN),
    ("list", Outcome.UNKNOWN, Finding.UNKNOWN),
    ("ok", Outcome.UNKNOWN, Finding.UNKNOWN),  # a message, as if the request had gone elsewhere
    ("close", Outcome.UNKNOWN, Finding.UNKNOWN),
    ("reset", Outcome.UNKNOWN, Finding.UNKNOWN),
    ("problem:500:404:20404", Outcome.UNKNOWN, Finding.UNKNOWN),
    ("problem:404:404:20404", Outcome.REFUSED, Finding.GONE),
    ("400:60200", Outcome.REFUSED, Finding.NOT_ASKED),
    ("401", Outcome.REFUSED, Finding.NOT_ASKED),
    ("429:9", Outcome.REFUSED, Finding.NOT_ASKED),
])  # fmt: skip
def test_nothing_but_a_clear_answer_says_that_a_code_is_right(
    broken: BrokenTwilio, at: Callable[..., VerifyChannel], mode: str, sent: Outcome, found: Finding
) -> None:
    """And no answer, nor the lack of one, makes a second request."""
    broken.set(mode)
    assert at(broken.url).deliver(message()).outcome is sent
    channel = at(broken.url)
    assert channel.check(VERIFICATION, CODE) is found
    assert channel.end(VERIFICATION, approved=False) is (found is Finding.GONE)
    assert len(broken.posts) == (2 if mode == "401" else 3)  # after a 401 nothing is asked for a minute


@pytest.mark.parametrize("mode", ["hang", "drip:0.1"])
def test_no_answer_in_time_is_no_approval(broken: BrokenTwilio, at: Callable[..., VerifyChannel], mode: str) -> None:
    broken.set(mode)
    channel = at(broken.url, timeout=0.2)
    assert (channel.deliver(message()), channel.check(VERIFICATION, CODE)) == (UNKNOWN, Finding.UNKNOWN)
    assert len(broken.posts) == 2


def test_where_nobody_listens_nothing_was_asked(at: Callable[..., VerifyChannel]) -> None:
    channel = at(refused_url())
    assert channel.deliver(message()).reason is Reason.UNREACHABLE
    assert channel.check(VERIFICATION, CODE) is Finding.NOT_ASKED


@pytest.mark.parametrize(("status", "found"), [
    ("approved", Finding.RIGHT), ("pending", Finding.WRONG), ("max_attempts_reached", Finding.SPENT),
    ("canceled", Finding.GONE), ("expired", Finding.GONE), ("deleted", Finding.GONE), ("failed", Finding.GONE),
    ("APPROVED", Finding.UNKNOWN), ("", Finding.UNKNOWN), (None, Finding.UNKNOWN), (True, Finding.UNKNOWN),
    (["approved"], Finding.UNKNOWN),
])  # fmt: skip
def test_each_status_of_a_check(
    broken: BrokenTwilio, at: Callable[..., VerifyChannel], monkeypatch: pytest.MonkeyPatch, status: object,
    found: Finding,
) -> None:  # fmt: skip
    monkeypatch.setitem(MODES, "status", say(200, json.dumps({"sid": VERIFICATION, "status": status, "valid": True})))
    broken.set("status")
    assert at(broken.url).check(VERIFICATION, CODE) is found


@pytest.mark.parametrize("changes", [{"status": "canceled"}, {"sid": "VE1"}, {"sid": None}, {"status": None}])
def test_a_start_that_is_not_clearly_pending_may_have_sent_a_message(
    broken: BrokenTwilio, at: Callable[..., VerifyChannel], monkeypatch: pytest.MonkeyPatch, changes: dict[str, object]
) -> None:
    body = json.dumps({"sid": VERIFICATION, "status": "pending"} | changes)
    monkeypatch.setitem(MODES, "start", lambda _, sock, __: send(sock, 201, body))
    broken.set("start")
    assert at(broken.url).deliver(message()) == UNKNOWN


@pytest.mark.parametrize("mode", ["400:60200", "401", "500", "close", "429:9", "problem:404:404:20404"])
def test_no_log_has_a_code_or_a_number(
    broken: BrokenTwilio, at: Callable[..., VerifyChannel], caplog: pytest.LogCaptureFixture, mode: str
) -> None:
    caplog.set_level(logging.DEBUG)
    broken.set(mode)
    channel = at(broken.url)
    channel.deliver(message())
    channel.check(RECIPIENT, CODE)
    logged = caplog.text + repr([record.__dict__ for record in caplog.records])
    assert CODE not in logged
    assert RECIPIENT[1:] not in logged


# ---- settings


def test_what_it_needs(settings_for: Callable[..., Settings]) -> None:
    lines = faults(settings_for("", otp_channels=("twilio_verify",), twilio_account_sid=""))
    assert [line.partition(":")[0] for line in lines] == ["TWILIO_ACCOUNT_SID", "TWILIO_VERIFICATION_SERVICE_SID"]


def test_a_channel_of_otp_channels_takes_the_place_of_twilios(settings_for: Callable[..., Settings]) -> None:
    given = {"otp_channels": ("whatsapp", "twilio_verify"), "twilio_verification_service_sid": SERVICE}
    opened = open_channels(settings_for("http://127.0.0.1:9", **given))
    kinds = [(channel.name, isinstance(channel, VerifyChannel)) for channel in opened]
    assert kinds == [("whatsapp", False), ("sms", True), ("call", True)]


def test_two_senders_of_text_messages_are_a_fault(settings_for: Callable[..., Settings]) -> None:
    (line,) = unopened(settings_for("", otp_channels=("twilio_verify", "sms")))
    assert line.startswith("OTP_CHANNELS: two channels have the name sms")
