"""Idempotency-Key: a caller that heard no answer asks again, and nobody gets a second message."""

import json

import pytest

from otp_app.core.delivery import Delivery, Outcome, Reason
from otp_app.core.idempotency import Key
from otp_app.web import current
from tests.web.site import api_key

KEY = {"Idempotency-Key": "order-4711"}


def test_the_same_answer_again(site):
    """Status and body are the first one's, also inside the gap, and one message goes."""
    number = site.number()
    first = site.send(number, headers=KEY)
    site.clock.advance(10)
    again = site.send(number, headers=KEY)
    assert (again.status_code, again.json) == (200, first.json)
    assert len(site.channel.messages) == 1


@pytest.mark.parametrize("path", ["/send-otp", "/resend-otp"])
def test_a_request_is_the_same_one_to_older_versions(site, monkeypatch, path):
    """A repeated request gets its answer from a server of another version too, such as during an upgrade: of what its
    body does not have, only the fields of the first version belong to it.
    """  # fmt: skip
    asked = []
    monkeypatch.setattr(current, "Key", lambda *parts: asked.append(parts[-1]) or Key(*parts))
    number = site.number()
    assert site.post(path, {"phone_number": number}, headers=KEY).status_code == 200
    absent = dict.fromkeys(("verification_id", "purpose", "channel", "locale"), "")
    assert asked == [json.dumps([path, {"phone_number": number, **absent}])]


def test_without_the_header_nothing_is_remembered(site):
    number = site.number()
    assert [site.send(number).status_code for _ in range(2)] == [200, 429]


def test_an_unknown_outcome_stays_unknown(site):
    site.channel.answers.append(Delivery(Outcome.UNKNOWN))
    number = site.number()
    answers = [site.send(number, headers=KEY) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json == answers[1].json
    assert len(site.channel.messages) == 1


def test_another_body_is_422(site):
    """The same key for another request is a mistake of the caller."""
    site.send(headers=KEY)
    answer = site.send(headers=KEY)
    assert (answer.status_code, answer.json["error_type"]) == (422, "idempotency_key_reused")
    assert len(site.channel.messages) == 1


def test_another_path_is_422(site):
    number = site.number()
    site.send(number, headers=KEY)
    answer = site.post("/resend-otp", {"phone_number": number}, headers=KEY)
    assert answer.status_code == 422


def test_resend_has_keys_too(site):
    verification_id = site.send().json["verification_id"]
    site.clock.advance(31)
    answers = [site.post("/resend-otp", {"verification_id": verification_id}, headers=KEY) for _ in range(2)]
    assert answers[0].json == answers[1].json
    assert len(site.channel.messages) == 2


def test_a_key_belongs_to_its_caller(open_site):
    """Another address, another API key: another key, and nothing of the first one's answer."""
    keys = ",".join([api_key("shop", "send", "a"), api_key("bank", "send", "b")])
    site = open_site(otp_public=True, otp_countries="US", otp_api_keys=keys, otp_resend_gaps="")
    number = site.number()
    callers = [{}, {"REMOTE_ADDR": "203.0.113.9"}, {"key": "a"}, {"key": "b"}]
    for caller in callers * 2:
        assert site.send(number, headers=KEY, **caller).status_code == 200
    assert len(site.channel.messages) == len(callers)


@pytest.mark.parametrize("address", ["127.0.0.1", "198.51.100.1", "unknown"])
@pytest.mark.parametrize("order", [["key", "client"], ["client", "key"]])
def test_a_caller_named_as_an_address_is_not_the_client_of_that_address(open_site, address, order):
    """Neither has the other's answer, in either order."""
    site = open_site(
        otp_public=True, otp_countries="US", otp_trusted_proxies="127.0.0.1", otp_resend_gaps="",
        otp_api_keys=api_key(address, "send", "a"),
    )  # fmt: skip
    number = site.number()
    for caller in order * 2:
        who = {"key": "a"} if caller == "key" else {"HTTP_X_FORWARDED_FOR": address}
        assert site.send(number, headers=KEY, **who).status_code == 200
    assert len(site.channel.messages) == 2


def test_a_key_is_one_callers_wherever_it_is(open_site):
    """An API key's servers may ask from several addresses."""
    site = open_site(otp_api_keys=api_key("shop", "send", "a"))
    number = site.number()
    first = site.send(number, headers=KEY, key="a")
    assert site.send(number, headers=KEY, key="a", REMOTE_ADDR="203.0.113.9").json == first.json


@pytest.mark.parametrize("text", ["", " ", "a b", "a\tb", "sch\xf6n", "x" * 256])
def test_what_is_no_key_is_refused(site, text):
    """1 to 255 visible ASCII characters; nothing is sent under another."""
    answer = site.send(headers={"Idempotency-Key": text})
    assert (answer.status_code, answer.json["error_type"]) == (400, "bad_request")
    assert site.channel.messages == []


def test_the_longest_key_works(site):
    headers, number = {"Idempotency-Key": "~" * 255}, site.number()
    assert site.send(number, headers=headers).json == site.send(number, headers=headers).json


def test_a_refusal_frees_the_key(site):
    """Nothing was sent, so the same request may be tried again under the same key."""
    site.channel.answers.append(Delivery(Outcome.REFUSED, reason=Reason.THROTTLED))
    number = site.number()
    assert [site.send(number, headers=KEY).status_code for _ in range(2)] == [503, 200]


def test_a_limit_frees_the_key(site):
    number = site.number()
    site.send(number)
    assert site.send(number, headers=KEY).status_code == 429
    site.clock.advance(31)
    assert site.send(number, headers=KEY).status_code == 200


def test_while_the_first_runs_it_is_409(site):
    """A second request under way at the same time must wait, and sends nothing."""
    number, meanwhile = site.number(), []
    site.channel.before = lambda: meanwhile.append(site.send(number, headers=KEY))
    assert site.send(number, headers=KEY).status_code == 200
    (answer,) = meanwhile
    assert (answer.status_code, answer.json["error_type"]) == (409, "idempotency_key_in_use")
    assert answer.headers["Retry-After"] == "1"
    assert len(site.channel.messages) == 1


@pytest.mark.parametrize("seconds", [15.1, -3600])
def test_a_send_that_died_is_answered_as_unknown(site, monkeypatch, seconds):
    """15 seconds after a send that never ended its key gets 202 with the same id, and no second message. A clock that
    was set back keeps it no longer.
    """  # fmt: skip
    number = site.number()
    with monkeypatch.context() as defect:
        defect.setattr(site.services.verifications._courier, "_hand_over", None)
        assert site.send(number, headers=KEY).status_code == 500
    assert site.send(number, headers=KEY).status_code == 409
    site.clock.advance(seconds)
    answer = site.send(number, headers=KEY)
    assert (answer.status_code, answer.json["delivery"]) == (202, "unknown")
    assert site.channel.messages == []
    found = site.call("GET", f"/verifications/{answer.json['verification_id']}")
    assert found.json["status"] == "pending"
