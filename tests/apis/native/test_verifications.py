"""GET and DELETE /verifications/ID."""

import pytest

from otp_app.core.delivery import Delivery, Outcome, Reason
from tests.web.house import wrong


def status(house, verification_id):
    return house.call("GET", f"/verifications/{verification_id}")


def test_everything_but_code_and_number_is_told(house):
    """The status, what is left, and a timeline of the messages."""
    number = house.number()
    sent = house.send(number).json
    house.verify(number, wrong(house.code()))
    house.clock.advance(60)
    answer = status(house, sent["verification_id"])
    assert answer.status_code == 200
    body = answer.json
    (message,) = body.pop("sends")
    assert message.pop("id") == house.channel.messages[0].send_id
    assert message == {"channel": "sms", "at": "2025-06-15T15:06:40Z", "delivery": "sent", "reason": None}
    assert body == {
        "verification_id": sent["verification_id"],
        "status": "pending",
        "to": sent["to"],
        "purpose": "login",
        "created_at": "2025-06-15T15:06:40Z",
        "expires_in": 240,
        "attempts_left": 4,
    }
    shown = answer.get_data(as_text=True)
    assert house.code() not in shown
    assert number.removeprefix("+") not in shown


def test_the_status_follows_what_happens(house):
    """pending, then approved, canceled, expired or max_attempts_reached."""
    found = []
    for end in ("approve", "cancel", "expire", "guess"):
        number = house.number()
        verification_id = house.send(number).json["verification_id"]
        found.append(status(house, verification_id).json["status"])
        if end == "approve":
            house.verify(number)
        elif end == "cancel":
            house.call("DELETE", f"/verifications/{verification_id}")
        elif end == "expire":
            house.clock.advance(300)
        else:
            for _ in range(5):
                house.verify(number, wrong(house.code()))
        found.append(status(house, verification_id).json["status"])
    assert found[::2] == ["pending"] * 4
    assert found[1::2] == ["approved", "canceled", "expired", "max_attempts_reached"]


def test_what_is_over_is_told_for_an_hour(house):
    """Then nothing is known of it any more, once something else has happened to the number."""
    number = house.number()
    verification_id = house.send(number).json["verification_id"]
    house.verify(number)
    house.clock.advance(3599)
    assert status(house, verification_id).json["expires_in"] == 0
    house.clock.advance(2)
    house.send(number)
    assert status(house, verification_id).status_code == 404


def test_the_timeline_shows_refusals(open_house):
    """A step that a channel refused stays in the timeline, with its reason, before the one that went on."""
    house = open_house(otp_channels="tests.web.house:RecordingChannel,tests.web.house:OtherChannel")
    house.channel.answers.append(Delivery(Outcome.REFUSED, reason=Reason.THROTTLED))
    sent = house.send().json
    sends = status(house, sent["verification_id"]).json["sends"]
    assert [(s["channel"], s["delivery"], s["reason"]) for s in sends] == [
        ("sms", "refused", "throttled"),
        ("whatsapp", "sent", None),
    ]


def test_a_canceled_code_is_no_good(house):
    """DELETE ends a pending verification and tells what is left of it."""
    number = house.number()
    sent = house.send(number).json
    answer = house.call("DELETE", f"/verifications/{sent['verification_id']}")
    assert (answer.status_code, answer.json["status"], answer.json["expires_in"]) == (200, "canceled", 0)
    assert house.verify(number).status_code == 400


def test_what_is_over_cannot_be_canceled(house):
    """The second DELETE is told that the verification is over."""
    path = f"/verifications/{house.send().json['verification_id']}"
    house.call("DELETE", path)
    again = house.call("DELETE", path)
    assert (again.status_code, again.json["error_type"]) == (409, "not_pending")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("verification_id", ["VE" + "0" * 32, "VE" + "A" * 32, "x", "%2B14155552671", "VE%00"])
def test_what_names_nothing_is_not_found(house, method, verification_id):
    """An unknown id, and what is none."""
    answer = house.call(method, f"/verifications/{verification_id}")
    assert (answer.status_code, answer.json["error_type"]) == (404, "not_found")


def test_an_id_with_another_tail_is_not_found(house):
    """Every digit of an id counts: nobody gets from one id of a number to another."""
    verification_id = house.send().json["verification_id"]
    for position in (2, 19, 20, 33):
        digit = "0" if verification_id[position] != "0" else "1"
        changed = verification_id[:position] + digit + verification_id[position + 1 :]
        assert status(house, changed).status_code == 404
