"""What the operator's pages say."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from otp_app.channels.console import ConsoleChannel
from otp_app.core.delivery import Delivery, Outcome, Reason
from otp_app.core.endings import of_verification
from otp_app.core.errors import StoreUnavailable
from otp_app.core.ledger import Send
from otp_app.core.notification import Notification, encode
from otp_app.core.policy import DAY
from otp_app.core.receipts import Receipt
from otp_app.core.receipts import Status as Reported
from otp_app.history.database import NotBegunError
from otp_app.history.reading import Reader
from otp_app.history.sqlite import SqliteDatabase
from tests.apis.operator.site import KEYS, Visitor, logged_in
from tests.histories import past
from tests.web.site import Site, api_key

CHANCE = random.Random(3)


@pytest.fixture
def kept(open_site: Callable[..., Site], tmp_path: Path) -> Visitor:
    """A browser at a server that keeps a history, which is empty."""
    site = open_site(otp_history_url=f"sqlite:////{str(tmp_path).lstrip(chr(47))}/history.db",
                     otp_channels="tests.histories.past:Explaining")  # fmt: skip
    return logged_in(site)


def tiles(visitor: Visitor) -> dict[str, str]:
    """The figures of today."""
    return dict(re.findall(r"<dt>([^<]+)</dt><dd>([^<]+)</dd><dd class=\"than\">", visitor.shown))


def test_nothing_is_counted_yet(kept: Visitor) -> None:
    for path in ("/operator", "/operator?of=notifications"):
        assert kept.open(path).status_code == 200
        assert "Nothing has ended yet" in kept.text


def test_a_history_that_no_server_has_begun_is_an_empty_one(kept: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_begun(*_: object) -> None:
        raise NotBegunError

    monkeypatch.setattr(SqliteDatabase, "reading", not_begun)
    assert kept.open("/operator").status_code == 200
    assert "Nothing has ended yet" in kept.text
    assert kept.open("/operator/keys").status_code == 200
    assert kept.open(f"/operator/verifications/VE{'0' * 32}").status_code == 404


def test_today_is_counted(kept: Visitor) -> None:
    """Of what has ended, by the day on which it began."""
    now = kept.site.clock.seconds
    past.keep(kept.site, past.ending(CHANCE, now - 60), past.ending(CHANCE, now - 50, outcome="expired"),
              past.rescued(CHANCE, now - 40, past.DISABLED, "template"), past.ending(CHANCE, now - DAY),
              past.ending(CHANCE, now - 31 * DAY))  # fmt: skip
    kept.open("/operator")
    shown = tiles(kept)
    assert (shown["Sent"], shown["Delivered"], shown["Conversion"], shown["Not sent"]) == ("3", "100.0%", "66.7%", "0")
    today, *_, month_ago = re.findall(r'<tr><th scope="row">(\S+)</th><td class="number">(\d+)</td>', kept.shown)[:30]
    assert today == ("2025-06-15", "3")
    assert month_ago == ("2025-05-17", "0")


def test_a_failing_template_is_on_the_first_screen_with_its_remedy(kept: Visitor) -> None:
    """Before what only users can mend, although each code arrived by SMS."""
    now = kept.site.clock.seconds
    for _ in range(3):
        past.keep(kept.site, past.rescued(CHANCE, now - 500, past.NO_WHATSAPP, "recipient"))
    example = past.rescued(CHANCE, now - 40, past.DISABLED, "template")
    past.keep(kept.site, past.rescued(CHANCE, now - 60, past.DISABLED, "template"), example)
    kept.open("/operator")
    problems = kept.text.partition("Problems in the last 24 hours")[2]
    assert problems.index("Template failing needs you") < problems.index("Wrong or unreachable number")
    assert "WhatsApp, error 63042 Meta has disabled the template: set TWILIO_CONTENT_SID" in problems
    assert "2 verifications last at" in problems
    assert f"/operator/verifications/{example.id}" in kept.shown


def test_a_failing_template_of_notifications_is_named(kept: Visitor) -> None:
    past.keep(kept.site, past.notification(CHANCE, kept.site.clock.seconds - 60, fails=True))
    kept.open("/operator?of=notifications")
    assert "Template failing: invoice needs you" in kept.text
    assert "Conversion" not in kept.text
    assert '<polyline class="approved"' not in kept.shown
    kept.open("/operator")
    assert "invoice" not in kept.text


def test_what_failed_two_days_ago_is_no_problem_of_today(kept: Visitor) -> None:
    past.keep(kept.site, past.rescued(CHANCE, kept.site.clock.seconds - DAY - 1, past.DISABLED, "template"))
    kept.open("/operator")
    assert "No message of an ended verification has failed" in kept.text
    assert "Template failing 1 100.0%" in kept.text


def test_countries_and_channels_are_counted_apart(kept: Visitor) -> None:
    now = kept.site.clock.seconds
    past.keep(kept.site, *(past.ending(CHANCE, now - 60, country="DE") for _ in range(3)),
              past.ending(CHANCE, now - 60, country="DE", channel="sms", outcome="expired"))  # fmt: skip
    kept.open("/operator")
    assert "DE WhatsApp 3 100.0% 100.0%" in kept.text
    assert "DE SMS 1 100.0% 0.0%" in kept.text


def test_a_case_is_told_in_words(kept: Visitor) -> None:
    case = past.rescued(CHANCE, kept.site.clock.seconds - 7200, past.DISABLED, "template")
    past.keep(kept.site, case)
    assert kept.open(f"/operator/verifications/{case.id}").status_code == 200
    for words in (
        "Code requested for login", "WhatsApp message: not delivered", "Error 63042: Meta has disabled the template",
        "SMS message: delivered to the phone, after 5.0 s", "the right code was typed", "native, key shop",
    ):  # fmt: skip
        assert words in kept.text
    assert case.phone not in kept.shown


def test_a_notification_has_a_page(kept: Visitor) -> None:
    case = past.notification(CHANCE, kept.site.clock.seconds - 7200, fails=True)
    past.keep(kept.site, case)
    kept.open(f"/operator/verifications/{case.id}")
    assert "Notification requested for invoice" in kept.text
    assert "Meta has paused the template" in kept.text


def test_a_notification_that_is_queued_has_a_page(kept: Visitor) -> None:
    """The history has none before its last message."""
    store, now = kept.site.services.store, kept.site.clock.seconds
    record = Notification("NT" + "4" * 32, "+14155552671", "invoice", now, route=("sms",))
    store.swap(record.key, None, encode(record), 600.0)
    assert kept.send("/operator/search", wanted=record.id).headers["Location"].endswith(record.id)
    kept.open(f"/operator/verifications/{record.id}")
    for words in ("+1*******671 queued", "Notification requested for invoice", "Waiting for the next message"):
        assert words in kept.text
    assert "Cancel" not in kept.text
    sent = Send("VL1", "whatsapp", now + 1, "refused", error=past.UNKNOWN_NUMBER, reason="bad_number")
    ended = record.with_send(sent).ended(kept.site.services.clock())
    store.swap(record.key, encode(record), encode(ended), 600.0)
    kept.open(f"/operator/verifications/{record.id}")
    assert "The carrier does not know this number" in kept.text
    assert "Waiting" not in kept.text
    assert "data-live" not in kept.shown


SID = "SM2938b0a036b288236a2212c30f6a0495"


def test_a_message_is_found_by_the_id_of_its_provider(kept: Visitor) -> None:
    """Which its page has, too: the provider's console and bills name no other."""
    case = past.rescued(CHANCE, kept.site.clock.seconds - 60, past.DISABLED, "template")
    first, last = case.messages
    case = case._replace(messages=(first, last._replace(provider_id=SID)))
    past.keep(kept.site, case, past.ending(CHANCE, kept.site.clock.seconds - 30))
    assert kept.send("/operator/search", wanted=SID).headers["Location"] == f"/operator/verifications/{case.id}"
    kept.open(f"/operator/verifications/{case.id}")
    assert SID in kept.text
    kept.open("/operator")
    assert kept.send("/operator/search", wanted=f"SM{'0' * 32}").status_code == 404
    assert "No message with this id" in kept.text


def test_the_id_of_a_provider_is_on_the_page_while_it_is_pending_and_after(kept: Visitor) -> None:
    site = kept.site
    site.channel.answers.append(Delivery(Outcome.SENT, SID))
    id_ = site.send(key="shop").json["verification_id"]
    kept.open(f"/operator/verifications/{id_}")
    assert SID in kept.text
    verification = site.services.verifications.status(id_).verification
    ended = replace(verification, status="canceled", ended_at=site.clock.seconds)
    ending = of_verification("+14155552671", ended, site.services.clock(), ())
    assert ending is not None
    assert [message.provider_id for message in ending.messages] == [SID]


def test_a_timeline_says_nothing_twice(kept: Visitor) -> None:
    """Twilio's answer and its report `sent` are two things."""
    site = kept.site
    site.channel.answers.append(Delivery(Outcome.SENT, SID))
    id_ = site.send(key="shop").json["verification_id"]
    (send,) = site.services.verifications.status(id_).verification.sends
    for status in (Reported.SENT, Reported.DELIVERED):
        site.services.receivers["VE"](Receipt(id_, send.id, SID, status))()
    kept.open(f"/operator/verifications/{id_}")
    steps = re.findall(r"<li[^>]*><span>([^<]+)</span>", kept.shown)
    assert len(steps) == len(set(steps)) == 5, steps


def test_an_error_leads_to_the_page_of_its_provider(kept: Visitor) -> None:
    case = past.rescued(CHANCE, kept.site.clock.seconds - 60, past.DISABLED, "template")
    past.keep(kept.site, case)
    for path in ("/operator", f"/operator/verifications/{case.id}"):
        kept.open(path)
        assert f'<a href="https://www.twilio.com/docs/api/errors/{past.DISABLED}" rel="noreferrer">' in kept.shown


def test_a_code_on_the_terminal_is_delivered(open_site: Callable[..., Site], tmp_path: Path) -> None:
    """Its reader has it; no advice speaks of a phone."""
    site = open_site(otp_history_url=f"sqlite:////{str(tmp_path).lstrip('/')}/history.db")
    printed = Send("VL1", "console", site.clock.seconds - 60, "sent", provider_id="console-1")
    pending = site.services.verifications.status(site.send(key="shop").json["verification_id"]).verification
    id_ = f"VE{'5' * 32}"  # the server itself keeps a row of the other
    ended = replace(pending, id=id_, sends=(printed,), status="canceled", ended_at=site.clock.seconds)
    ending = of_verification("+14155552671", ended, site.services.clock(), (ConsoleChannel(),))
    assert ending is not None
    assert (ending.is_delivered, ending.delivered_after) == (True, 0.0)
    past.keep(site, ending)
    visitor = logged_in(site)
    assert tiles(visitor)["Delivered"] == "100.0%"
    site.clock.advance(7200)
    visitor = logged_in(site)
    visitor.open(f"/operator/verifications/{id_}")
    assert "Console: printed in the server's terminal" in visitor.text
    assert "phone" not in visitor.text.partition("Timeline")[2]


@pytest.mark.parametrize(("column", "value"), [
    ("messages", "{"), ("messages", "[1]"), ("messages", '[["VL1","sms","x","sent",0,null,""]]'), ("tags", "["),
    ("begun", "yesterday"), ("messages", ""), ("error_code", "x"), ("ended", 1e300),
])  # fmt: skip
def test_a_damaged_row_is_named_and_the_page_stays(kept: Visitor, column: str, value: object) -> None:
    number, site = "+14155552671", kept.site
    whole = past.ending(CHANCE, site.clock.seconds - 600, phone=number)
    bad = past.rescued(CHANCE, site.clock.seconds - 60, past.DISABLED, "template")._replace(phone=number)
    past.keep(site, whole, bad)
    assert site.services.history
    with site.services.history.database.writing() as session:
        session.change(f"UPDATE otp_history SET {column} = ? WHERE id = ?", (value, bad.id))
    assert kept.open("/operator").status_code == 200
    assert '<p class="quiet">, ' not in kept.shown  # of the channel, which is not known then
    assert kept.send("/operator/search", wanted=number).status_code == 200
    assert whole.id in kept.shown
    assert bad.id in kept.shown
    assert kept.open(f"/operator/verifications/{bad.id}").status_code == 200
    if column != "error_code":
        assert f"the row with the id {bad.id} has no valid value in the column {column}" in kept.text


def test_a_number_has_its_past_and_its_present(kept: Visitor) -> None:
    """What is pending, what has just ended, and what the history alone has, each once."""
    site, number = kept.site, "+14155552671"
    old = past.ending(CHANCE, site.clock.seconds - 5 * DAY, phone=number)
    past.keep(site, old)
    new = site.send(number, key="shop").json["verification_id"]
    past.keep(site, past.ending(CHANCE, site.clock.seconds, id=new, phone=number))
    kept.send("/operator/search", wanted=number)
    assert [kept.shown.count(f"/operator/verifications/{id_}") for id_ in (old.id, new)] == [1, 1]
    assert kept.shown.index(new) < kept.shown.index(old.id)
    assert "+1*******671" in kept.text


def test_a_number_says_why_it_got_nothing(kept: Visitor) -> None:
    site, number = kept.site, kept.site.number()
    site.channel.answers.append(Delivery(Outcome.REFUSED, reason=Reason.BAD_NUMBER, provider_code=past.NO_WHATSAPP))
    site.send(number, key="shop")
    kept.send("/operator/search", wanted=number)
    assert "The newest message did not arrive: wrong or unreachable number" in kept.text
    assert "There is no WhatsApp account at this number: send the code by SMS." in kept.text


def test_no_sms_is_advised_once_one_was_sent(kept: Visitor) -> None:
    """By a verification of the history."""
    row = past.rescued(CHANCE, kept.site.clock.seconds - 500, past.NO_WHATSAPP, "recipient")
    past.keep(kept.site, row)
    kept.open(f"/operator/verifications/{row.id}")
    assert "Error 63003: There is no WhatsApp account at this number." in kept.text
    assert "send the code by SMS" not in kept.text


def test_a_number_nobody_has_asked_for_says_so(kept: Visitor) -> None:
    kept.send("/operator/search", wanted="+14155552671")
    assert "Nothing is known of this number" in kept.text


def test_what_a_caller_wrote_is_text(kept: Visitor) -> None:
    """Tags come from outside."""
    mark = "<script>alert(1)</script>\"'&"
    case = past.ending(CHANCE, kept.site.clock.seconds - 7200, tags={"order": mark})
    past.keep(kept.site, case)
    kept.open(f"/operator/verifications/{case.id}")
    assert "<script>alert" not in kept.shown
    assert mark in kept.text


@pytest.mark.parametrize("name", ["update", "items", "get"])
def test_a_key_may_have_the_name_of_a_method(open_site: Callable[..., Site], tmp_path: Path, name: str) -> None:
    site = open_site(otp_api_keys=f"{KEYS},{api_key(name, 'send', 'another')}",
                     otp_history_url=f"sqlite:////{str(tmp_path).lstrip('/')}/history.db")  # fmt: skip
    past.keep(site, *past.days(site.clock.seconds))
    assert logged_in(site).open("/operator/keys").status_code == 200


def test_keys_have_names_and_no_hashes(kept: Visitor) -> None:
    past.keep(kept.site, past.ending(CHANCE, kept.site.clock.seconds - 60))
    kept.open("/operator/keys")
    assert "shop send verify 1 0" in kept.text
    assert "ops (yours) admin 0 0" in kept.text
    for secret in ("shop", "the key of an operator"):
        assert api_key("", "", secret)[2:10] not in kept.shown


def test_without_a_history_the_pages_work(visitor: Visitor) -> None:
    visitor.open("/operator")
    assert "This server keeps no history" in visitor.text
    assert visitor.open("/operator/keys").status_code == 200
    assert visitor.open(f"/operator/verifications/NT{'0' * 32}").status_code == 404
    assert visitor.send("/operator/search", wanted=visitor.site.number()).status_code == 200


@pytest.mark.parametrize("id_", ["VE" + "0" * 32, "NT" + "0" * 32, "VE1", "x", "%00", "+14155552671"])
def test_an_id_that_is_not_there_is_told(kept: Visitor, id_: str) -> None:
    past.keep(kept.site, past.ending(CHANCE, kept.site.clock.seconds - 60))
    assert kept.open(f"/operator/verifications/{id_}").status_code == 404
    assert "Nothing is known of this id" in kept.text


def test_a_history_that_is_away_is_told(kept: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise StoreUnavailable("The history is not available (away)")

    monkeypatch.setattr(Reader, "sums", away)
    answer = kept.open("/operator")
    assert (answer.status_code, answer.mimetype) == (503, "text/html")
    assert "The history is not available" in kept.text


@pytest.mark.parametrize(("method", "path", "status"), [
    ("GET", "/operator/nowhere", 404), ("GET", "/operator/verifications", 404), ("PUT", "/operator", 405),
])  # fmt: skip
def test_an_error_is_a_page(visitor: Visitor, method: str, path: str, status: int) -> None:
    answer = visitor.client.open(path, method=method, base_url=visitor.base_url)
    assert (answer.status_code, answer.mimetype) == (status, "text/html")


@pytest.mark.parametrize("path", ["/operator", "/operator/keys", "/operator/login", "/operator/nowhere"])
def test_a_page_has_no_script_or_style_in_it(visitor: Visitor, path: str) -> None:
    """The policy would stop it, and a plot would have no colours."""
    answer = visitor.open(path)
    if answer.status_code == 303:
        answer = Visitor(visitor.site).open(path)
    page = answer.get_data(as_text=True)
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert re.findall(r"<style|<script(?! src)|\son\w+=|\sstyle=|javascript:", page) == []
    assert set(re.findall(r'(?:src|href)="([^"#?]+)', page)) <= {
        "/", "/operator", "/operator?of=notifications", "/operator/keys", "/static/bar.css", "/static/icon.svg",
        "/static/pages.css", "/operator/static/operator.css", "/operator/static/operator.js",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["operator.css", "operator.js"])
def test_what_a_page_loads_is_there(site: Site, name: str) -> None:
    assert Visitor(site).open(f"/operator/static/{name}").status_code == 200
    assert Visitor(site).open("/operator/static/pages.py").status_code == 404
