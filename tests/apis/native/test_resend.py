"""POST /resend-otp."""

import pytest


def test_the_same_code_goes_again(site):
    """A resend by number sends the same code under the same id, in seed 003's words."""
    number = site.number()
    first = site.send(number)
    code = site.code()
    site.clock.advance(31)
    again = site.post("/resend-otp", {"phone_number": number})
    assert (again.status_code, again.json["message"]) == (200, "OTP sent successfully!")
    assert again.json["verification_id"] == first.json["verification_id"]
    assert [message.code for message in site.channel.messages] == [code, code]


def test_an_id_stands_for_number_and_purpose(site):
    """By verification_id an app can resend without keeping the number."""
    first = site.post("/send-otp", {"phone_number": site.number(), "purpose": "pay"})
    site.clock.advance(31)
    again = site.post("/resend-otp", {"verification_id": first.json["verification_id"]})
    assert again.json["verification_id"] == first.json["verification_id"]
    assert len({(message.to, message.code) for message in site.channel.messages}) == 1


def test_after_its_end_a_new_verification_begins(site):
    """A resend by the id of a verification that is over sends a new code under a new id."""
    number = site.number()
    first = site.send(number)
    site.verify(number)
    site.clock.advance(31)
    again = site.post("/resend-otp", {"verification_id": first.json["verification_id"]})
    assert again.status_code == 200
    assert again.json["verification_id"] != first.json["verification_id"]


@pytest.mark.parametrize("verification_id", ["VE" + "0" * 32, "VE", "x", "../send-otp"])
def test_an_id_that_names_nothing_is_not_found(site, verification_id):
    """An unknown id and what is no id at all get the same answer."""
    answer = site.post("/resend-otp", {"verification_id": verification_id})
    assert (answer.status_code, answer.json["error_type"]) == (404, "not_found")
    assert site.channel.messages == []


def test_a_resend_has_the_same_limits(site):
    """Asking at another address does not shorten the gap."""
    number = site.number()
    first = site.send(number)
    by_number = site.post("/resend-otp", {"phone_number": number})
    by_id = site.post("/resend-otp", {"verification_id": first.json["verification_id"]})
    assert [by_number.status_code, by_id.status_code] == [429, 429]


def test_the_originals_new_code_is_a_setting(open_site):
    """OTP_RESEND_NEW_CODE=1: each message has another code, and only the last one is right."""
    site = open_site(otp_resend_new_code=True, otp_resend_gaps="")
    number = site.number()
    site.send(number)
    old = site.code()
    site.post("/resend-otp", {"phone_number": number})
    assert site.code() != old
    assert site.verify(number, old).status_code == 400
    assert site.verify(number).status_code == 200
