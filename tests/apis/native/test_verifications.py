"""GET and DELETE /verifications/ID."""

from datetime import datetime

import pytest

from otp_app.core.delivery import Delivery, Outcome, Reason
from tests.web.site import wrong


def status(site, verification_id):
    return site.call("GET", f"/verifications/{verification_id}")


def test_everything_but_code_and_number_is_reported(site):
    """The status, what is left, and a timeline of the messages."""
    number = site.number()
    sent = site.send(number).json
    site.verify(number, wrong(site.code()))
    site.clock.advance(60)
    answer = status(site, sent["verification_id"])
    assert answer.status_code == 200
    body = answer.json
    (message,) = body.pop("sends")
    assert message.pop("id") == site.channel.messages[0].send_id
    assert message == {
        "channel": "sms", "at": "2025-06-15T15:06:40Z", "delivery": "sent", "reason": None, "provider_id": "SM1",
        "error_code": None, "error_class": None, "explanation": None,
        "receipts": [],
    }  # fmt: skip
    assert len(body.pop("version")) == 16
    assert body == {
        "verification_id": sent["verification_id"],
        "status": "pending",
        "to": sent["to"],
        "purpose": "login",
        "created_at": "2025-06-15T15:06:40Z",
        "ended_at": None,
        "expires_in": 240,
        "attempts": 1,
        "attempts_left": 4,
        "tags": {},
        "resend_in": 0,
    }
    shown = answer.get_data(as_text=True)
    assert site.code() not in shown
    assert number.removeprefix("+") not in shown


def test_the_status_says_when_the_number_can_get_another_message(site):
    """As the answer to a send does; another message since makes it longer."""
    sent = site.send(number := site.number()).json
    assert status(site, sent["verification_id"]).json["resend_in"] == sent["resend_in"] == 30
    site.clock.advance(30)
    again = site.send(number).json
    site.clock.advance(12)
    assert again["verification_id"] == sent["verification_id"]
    before = status(site, sent["verification_id"]).json
    assert before["resend_in"] == again["resend_in"] - 12 == 48
    site.clock.advance(48)
    after = status(site, sent["verification_id"]).json
    assert after["resend_in"] == 0
    assert after["version"] == before["version"], "time alone is no news"


def test_the_status_follows_what_happens(site):
    """pending, then approved, canceled, expired or max_attempts_reached, with the time of that end."""
    found = []
    for end in ("approve", "cancel", "expire", "attempt"):
        number = site.number()
        verification_id = site.send(number).json["verification_id"]
        found.append(status(site, verification_id).json["status"])
        assert status(site, verification_id).json["ended_at"] is None
        began = site.clock.seconds
        site.clock.advance(7)
        if end == "approve":
            site.verify(number)
        elif end == "cancel":
            site.call("DELETE", f"/verifications/{verification_id}")
        elif end == "expire":
            site.clock.advance(300)
        else:
            for _ in range(5):
                site.verify(number, wrong(site.code()))
        shown = status(site, verification_id).json
        found.append(shown["status"])
        ended_at = datetime.fromisoformat(shown["ended_at"]).timestamp()
        assert ended_at == began + (300 if end == "expire" else 7)
    assert found[::2] == ["pending"] * 4
    assert found[1::2] == ["approved", "canceled", "expired", "max_attempts_reached"]


def test_what_is_over_is_reported_for_an_hour(site):
    """Then nothing is known of it any more, once something else has happened to the number."""
    number = site.number()
    verification_id = site.send(number).json["verification_id"]
    site.verify(number)
    site.clock.advance(3599)
    assert status(site, verification_id).json["expires_in"] == 0
    site.clock.advance(2)
    site.send(number)
    assert status(site, verification_id).status_code == 404


def test_the_timeline_shows_refusals(open_site):
    """A step that a channel refused stays in the timeline, with its reason, before the one that went on."""
    site = open_site(otp_channels="tests.web.site:RecordingChannel,tests.web.site:OtherChannel")
    site.channel.answers.append(Delivery(Outcome.REFUSED, reason=Reason.THROTTLED))
    sent = site.send().json
    sends = status(site, sent["verification_id"]).json["sends"]
    assert [(s["channel"], s["delivery"], s["reason"]) for s in sends] == [
        ("sms", "refused", "throttled"),
        ("whatsapp", "sent", None),
    ]


def test_a_canceled_code_is_no_good(site):
    """DELETE ends a pending verification and tells what is left of it."""
    number = site.number()
    sent = site.send(number).json
    answer = site.call("DELETE", f"/verifications/{sent['verification_id']}")
    assert (answer.status_code, answer.json["status"], answer.json["expires_in"]) == (200, "canceled", 0)
    assert site.verify(number).status_code == 400


def test_what_is_over_cannot_be_canceled(site):
    """The second DELETE learns that the verification is over."""
    path = f"/verifications/{site.send().json['verification_id']}"
    site.call("DELETE", path)
    again = site.call("DELETE", path)
    assert (again.status_code, again.json["error_type"]) == (409, "not_pending")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("verification_id", ["VE" + "0" * 32, "VE" + "A" * 32, "x", "%2B14155552671", "VE%00"])
def test_what_names_nothing_is_not_found(site, method, verification_id):
    answer = site.call(method, f"/verifications/{verification_id}")
    assert (answer.status_code, answer.json["error_type"]) == (404, "not_found")


def test_an_id_with_another_tail_is_not_found(site):
    """Every digit of an id counts: nobody gets from one id of a number to another."""
    verification_id = site.send().json["verification_id"]
    for position in (2, 19, 20, 33):
        digit = "0" if verification_id[position] != "0" else "1"
        changed = verification_id[:position] + digit + verification_id[position + 1 :]
        assert status(site, changed).status_code == 404
