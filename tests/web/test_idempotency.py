"""Idempotency-Key: a caller that heard no answer asks again, and nobody gets a second message."""

import pytest

from otp_app.core.delivery import Delivery, Outcome, Reason
from tests.web.house import api_key

KEY = {"Idempotency-Key": "order-4711"}


def test_the_same_answer_again(house):
    """Status and body are the first one's, also inside the gap, and one message goes."""
    number = house.number()
    first = house.send(number, headers=KEY)
    house.clock.advance(10)
    again = house.send(number, headers=KEY)
    assert (again.status_code, again.json) == (200, first.json)
    assert len(house.channel.messages) == 1


def test_without_the_header_nothing_is_remembered(house):
    """Two requests without a key are two requests."""
    number = house.number()
    assert [house.send(number).status_code for _ in range(2)] == [200, 429]


def test_an_unknown_outcome_stays_unknown(house):
    """202 stays 202, and still no second message."""
    house.channel.answers.append(Delivery(Outcome.UNKNOWN))
    number = house.number()
    answers = [house.send(number, headers=KEY) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json == answers[1].json
    assert len(house.channel.messages) == 1


def test_another_body_is_422(house):
    """The same key for another request is a mistake of the caller."""
    house.send(headers=KEY)
    answer = house.send(headers=KEY)
    assert (answer.status_code, answer.json["error_type"]) == (422, "idempotency_key_reused")
    assert len(house.channel.messages) == 1


def test_another_path_is_422(house):
    """Resend is another request than send."""
    number = house.number()
    house.send(number, headers=KEY)
    answer = house.post("/resend-otp", {"phone_number": number}, headers=KEY)
    assert answer.status_code == 422


def test_resend_has_keys_too(house):
    """By number as by id."""
    verification_id = house.send().json["verification_id"]
    house.clock.advance(31)
    answers = [house.post("/resend-otp", {"verification_id": verification_id}, headers=KEY) for _ in range(2)]
    assert answers[0].json == answers[1].json
    assert len(house.channel.messages) == 2


def test_a_key_belongs_to_its_caller(open_house):
    """Another address, another API key: another key, and nothing of the first one's answer."""
    keys = ",".join([api_key("shop", "send", "a"), api_key("bank", "send", "b")])
    house = open_house(otp_public=True, otp_countries="US", otp_api_keys=keys, otp_resend_gaps="")
    number = house.number()
    callers = [{}, {"REMOTE_ADDR": "203.0.113.9"}, {"key": "a"}, {"key": "b"}]
    for caller in callers * 2:
        assert house.send(number, headers=KEY, **caller).status_code == 200
    assert len(house.channel.messages) == len(callers)


@pytest.mark.parametrize("address", ["127.0.0.1", "198.51.100.1", "unknown"])
@pytest.mark.parametrize("order", [["key", "client"], ["client", "key"]])
def test_a_caller_named_as_an_address_is_not_the_client_of_that_address(open_house, address, order):
    """Neither has the other's answer, in either order."""
    house = open_house(
        otp_public=True, otp_countries="US", otp_trusted_proxies="127.0.0.1", otp_resend_gaps="",
        otp_api_keys=api_key(address, "send", "a"),
    )  # fmt: skip
    number = house.number()
    for caller in order * 2:
        who = {"key": "a"} if caller == "key" else {"HTTP_X_FORWARDED_FOR": address}
        assert house.send(number, headers=KEY, **who).status_code == 200
    assert len(house.channel.messages) == 2


def test_a_key_is_one_callers_wherever_it_is(open_house):
    """An API key's servers may ask from several addresses."""
    house = open_house(otp_api_keys=api_key("shop", "send", "a"))
    number = house.number()
    first = house.send(number, headers=KEY, key="a")
    assert house.send(number, headers=KEY, key="a", REMOTE_ADDR="203.0.113.9").json == first.json


@pytest.mark.parametrize("text", ["", " ", "a b", "a\tb", "sch\xf6n", "x" * 256])
def test_what_is_no_key_is_refused(house, text):
    """1 to 255 visible ASCII characters; nothing is sent under another."""
    answer = house.send(headers={"Idempotency-Key": text})
    assert (answer.status_code, answer.json["error_type"]) == (400, "bad_request")
    assert house.channel.messages == []


def test_the_longest_key_works(house):
    """255 characters."""
    headers, number = {"Idempotency-Key": "~" * 255}, house.number()
    assert house.send(number, headers=headers).json == house.send(number, headers=headers).json


def test_a_refusal_frees_the_key(house):
    """Nothing was sent, so the same request may be tried again under the same key."""
    house.channel.answers.append(Delivery(Outcome.REFUSED, reason=Reason.THROTTLED))
    number = house.number()
    assert [house.send(number, headers=KEY).status_code for _ in range(2)] == [503, 200]


def test_a_limit_frees_the_key(house):
    """After the wait the key still works."""
    number = house.number()
    house.send(number)
    assert house.send(number, headers=KEY).status_code == 429
    house.clock.advance(31)
    assert house.send(number, headers=KEY).status_code == 200


def test_while_the_first_runs_it_is_409(house):
    """A second request under way at the same time is told to wait, and sends nothing."""
    number, meanwhile = house.number(), []
    house.channel.before = lambda: meanwhile.append(house.send(number, headers=KEY))
    assert house.send(number, headers=KEY).status_code == 200
    (answer,) = meanwhile
    assert (answer.status_code, answer.json["error_type"]) == (409, "idempotency_key_in_use")
    assert answer.headers["Retry-After"] == "1"
    assert len(house.channel.messages) == 1


def test_a_send_that_died_is_answered_as_unknown(house, monkeypatch):
    """15 seconds after a send that never ended its key gets 202 with the same id, and no second message."""

    number = house.number()
    with monkeypatch.context() as defect:
        defect.setattr(house.services.verifications._courier, "_hand_over", None)
        assert house.send(number, headers=KEY).status_code == 500
    assert house.send(number, headers=KEY).status_code == 409
    house.clock.advance(15.1)
    answer = house.send(number, headers=KEY)
    assert (answer.status_code, answer.json["delivery"]) == (202, "unknown")
    assert house.channel.messages == []
    found = house.call("GET", f"/verifications/{answer.json['verification_id']}")
    assert found.json["status"] == "pending"
