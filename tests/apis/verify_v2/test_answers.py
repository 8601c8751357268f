"""Twilio's Verify v2 as a client of Twilio's meets it: what it answers."""

import re
from collections import deque

import pytest

from otp_app.core.delivery import Delivery, Outcome, Reason
from otp_app.core.errors import StoreUnavailable
from tests.apis.verify_v2.site import ACCOUNT, DATE, OTHER, SERVICE, refused
from tests.web.site import wrong

TWO_CHANNELS = "tests.web.site:RecordingChannel,tests.web.site:OtherChannel"


def test_a_start(verify):
    """201 and every field of Twilio's, the number whole, dates as its clients read them."""
    number = verify.site.number()
    answer = verify.start(number)
    body = answer.json
    date, message = body["date_created"], verify.site.channel.messages[0]
    assert answer.status_code == 201
    assert body == {
        "sid": body["sid"],
        "service_sid": SERVICE,
        "account_sid": ACCOUNT,
        "to": number,
        "channel": "sms",
        "status": "pending",
        "valid": False,
        "lookup": {},
        "amount": None,
        "payee": None,
        "send_code_attempts": [{"time": date, "channel": "SMS", "attempt_sid": message.send_id}],
        "date_created": date,
        "date_updated": date,
        "sna": None,
        "url": f"http://127.0.0.1:5000/v2/Services/{SERVICE}/Verifications/{body['sid']}",
    }
    assert re.fullmatch("VE[0-9a-f]{32}", body["sid"])
    assert re.fullmatch(DATE, date)
    assert message.text == f"Your verification code is: {message.code}"


def test_another_start(verify):
    """The same verification and code, one attempt more, without a gap; the date of the change moves, the other not."""
    started, code = verify.started()
    verify.site.clock.advance(1)
    again = verify.start(started["to"]).json
    assert (again["sid"], again["date_created"]) == (started["sid"], started["date_created"])
    assert again["date_updated"] > started["date_updated"]
    assert len(again["send_code_attempts"]) == 2
    assert verify.site.code() == code


def test_a_check(verify):
    """Wrong is pending and not valid, right is approved and valid; by number or SID, or both."""
    started, code = verify.started()
    failed = verify.check(wrong(code), To=started["to"])
    assert (failed.status_code, failed.json["status"], failed.json["valid"]) == (200, "pending", False)
    verify.site.clock.advance(5)
    done = verify.check(code, VerificationSid=started["sid"], To=started["to"])
    same = {name: started[name] for name in ("sid", "service_sid", "account_sid", "to", "channel", "date_created")}
    assert done.status_code == 200
    assert done.json == same | {
        "status": "approved",
        "valid": True,
        "amount": None,
        "payee": None,
        "date_updated": done.json["date_updated"],
        "sna_attempts_error_codes": [],
    }
    assert done.json["date_updated"] > started["date_updated"]


def test_a_sid_beside_another_number(verify):
    """Is no verification, and costs no attempt."""
    started, code = verify.started()
    for _ in range(5):
        assert refused(verify.check(code, VerificationSid=started["sid"], To=verify.site.number())) == (404, 20404)
    assert verify.check(code, VerificationSid=started["sid"]).json["valid"] is True


def test_a_message_that_has_gone_is_reported(verify, monkeypatch):
    """Though the store went away while it was sent: who heard of a failure would send again."""
    store, number = verify.site.services.store, verify.site.number()

    def go_away():
        for name in ("get", "swap"):
            monkeypatch.setattr(store, name, away)

    def away(*_):
        raise StoreUnavailable

    verify.site.channel.before = go_away
    answer = verify.start(number)
    assert (answer.status_code, answer.json["status"], answer.json["to"]) == (201, "pending", number)
    assert [attempt["channel"] for attempt in answer.json["send_code_attempts"]] == ["SMS"]


def test_once_a_code_is_accepted_nothing_can_fail(verify, monkeypatch):
    """A store that goes away right after the swap does not hide the approval."""
    started, code = verify.started()
    store = verify.site.services.store
    swap = store.swap

    def last(*what):
        done = swap(*what)
        monkeypatch.setattr(store, "get", away)
        monkeypatch.setattr(store, "swap", away)
        return done

    def away(*_):
        raise StoreUnavailable

    monkeypatch.setattr(store, "swap", last)
    assert verify.check(code, To=started["to"]).json["status"] == "approved"
    assert refused(verify.check(code, To=started["to"])) == (503, 20503)


def test_what_is_returned_is_what_was_there(verify, monkeypatch):
    """When the code was looked at or the end came: the swap itself proves it, and nothing is read beside it."""
    (first, code), (second, _) = verify.started(), verify.started()
    store, calls = verify.site.services.store, []

    def counted(verb, do):
        return lambda *what: (calls.append(verb), do(*what))[1]

    for verb in ("get", "swap"):
        monkeypatch.setattr(store, verb, counted(verb, getattr(store, verb)))
    assert verify.fetch(first["to"]).json["status"] == "pending"
    assert calls == ["get"]
    for ended in (verify.check(code, To=first["to"]), verify.update(second["to"], "canceled")):
        assert ended.status_code == 200
    assert calls == ["get", "swap", "swap"]


def test_a_fetch_while_it_is_pending(verify):
    """By SID and by number, its plus as it is or escaped; afterwards there is none."""
    started, code = verify.started()
    for name in (started["sid"], started["to"], started["to"].replace("+", "%2B")):
        assert verify.fetch(name).json == started
    assert verify.check(code, To=started["to"]).json["status"] == "approved"
    for name in (started["sid"], started["to"], "nonsense", "VE" + "0" * 32):
        assert refused(verify.fetch(name)) == (404, 20404)


def test_a_fetch_after_too_many_attempts(verify):
    started, code = verify.started()
    for _ in range(5):
        verify.check(wrong(code), To=started["to"])
    assert verify.fetch(started["sid"]).json["status"] == "max_attempts_reached"


@pytest.mark.parametrize("name", ["sid", "to"])
@pytest.mark.parametrize(("status", "valid"), [("canceled", False), ("approved", True)])
def test_an_update(verify, name, status, valid):
    """Ends a pending one, once, and its code is no good any more."""
    started, code = verify.started()
    verify.site.clock.advance(5)
    ended = verify.update(started[name], status)
    assert (ended.status_code, ended.json["status"], ended.json["valid"]) == (200, status, valid)
    assert ended.json["sid"] == started["sid"]
    assert ended.json["date_updated"] > started["date_updated"]
    assert refused(verify.update(started[name], status)) == (404, 20404)
    assert refused(verify.check(code, To=started["to"])) == (404, 20404)


@pytest.mark.parametrize("status", ["", "pending", "Approved"])
def test_an_update_to_anything_else(verify, status):
    started, _ = verify.started()
    answer = verify.update(started["sid"], status)
    assert (refused(answer), "Status" in answer.json["message"]) == ((400, 60200), True)
    assert verify.fetch(started["sid"]).json["status"] == "pending"


def test_a_message_that_was_refused_is_no_attempt(open_verify):
    """Of two channels only the one that took it is reported."""
    verify = open_verify(otp_channels=TWO_CHANNELS)
    verify.site.channel.answers = deque([Delivery(Outcome.REFUSED, reason=Reason.UNREACHABLE)])
    started = verify.start(channel="auto").json
    assert [attempt["channel"] for attempt in started["send_code_attempts"]] == ["WHATSAPP"]
    assert started["channel"] == "whatsapp"


def test_the_sixth_attempt(verify):
    """Five are looked at and reported as pending; then 60202, for the right one too."""
    started, code = verify.started()
    assert [verify.check(wrong(code), To=started["to"]).json["status"] for _ in range(5)] == ["pending"] * 5
    for how in ({"To": started["to"]}, {"VerificationSid": started["sid"]}):
        assert refused(verify.check(code, **how)) == (429, 60202)


def test_after_too_many_attempts_another_one_begins(verify):
    """With the next message, at once: the credentials vouch for the caller."""
    started, code = verify.started()
    for _ in range(5):
        verify.check(wrong(code), To=started["to"])
    again = verify.start(started["to"])
    assert (again.status_code, again.json["sid"] != started["sid"]) == (201, True)
    assert refused(verify.check(code, VerificationSid=started["sid"])) == (429, 60202)
    assert verify.check(verify.site.code(), To=started["to"]).json["valid"] is True


def test_the_sixth_message(open_verify):
    """60203 with when to come back, whatever an hour allows; the code stays good, and the next one has five again."""
    verify = open_verify(otp_sends_per_hour=9)
    number = verify.site.number()
    assert [verify.start(number).status_code for _ in range(5)] == [201] * 5
    answer = verify.start(number)
    assert refused(answer) == (429, 60203)
    assert answer.json["details"] == {"retry_after": int(answer.headers["Retry-After"])}
    assert len(verify.site.channel.messages) == 5
    assert verify.check(verify.site.code(), To=number).json["valid"] is True
    assert verify.start(number).status_code == 201


def test_another_service(verify):
    """Knows nothing of a verification: not by SID, not by number."""
    started, code = verify.started()
    for name in (started["sid"], started["to"]):
        assert refused(verify.fetch(name, OTHER)) == (404, 20404)
        assert refused(verify.update(name, "approved", OTHER)) == (404, 20404)
    for how in ({"To": started["to"]}, {"VerificationSid": started["sid"]}):
        assert refused(verify.check(code, OTHER, **how)) == (404, 20404)
    assert verify.check(code, To=started["to"]).json["valid"] is True


def test_a_service_that_there_is_not(verify):
    number, gone = verify.site.number(), "VA" + "3" * 32
    answers = [
        verify.start(service=gone), verify.check("123456", gone, To=number), verify.fetch(number, gone),
        verify.update(number, "canceled", gone),
    ]  # fmt: skip
    assert [refused(answer) for answer in answers] == [(404, 20404)] * 4
    assert verify.site.channel.messages == []


def test_a_configured_service_shares_its_purpose(verify):
    """Its name is the purpose: the native API takes the code."""
    started, code = verify.started()
    assert verify.site.verify(started["to"], code).status_code == 200
