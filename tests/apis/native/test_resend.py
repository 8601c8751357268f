"""POST /resend-otp."""

import pytest


def test_the_same_code_goes_again(house):
    """A resend by number sends the same code under the same id, in seed 003's words."""
    number = house.number()
    first = house.send(number)
    code = house.code()
    house.clock.advance(31)
    again = house.post("/resend-otp", {"phone_number": number})
    assert (again.status_code, again.json["message"]) == (200, "OTP sent successfully!")
    assert again.json["verification_id"] == first.json["verification_id"]
    assert [message.code for message in house.channel.messages] == [code, code]


def test_an_id_stands_for_number_and_purpose(house):
    """By verification_id an app can resend without keeping the number."""
    first = house.post("/send-otp", {"phone_number": house.number(), "purpose": "pay"})
    house.clock.advance(31)
    again = house.post("/resend-otp", {"verification_id": first.json["verification_id"]})
    assert again.json["verification_id"] == first.json["verification_id"]
    assert len({(message.to, message.code) for message in house.channel.messages}) == 1


def test_a_number_without_a_code_gets_one(house):
    """A resend where nothing is pending is a send: seed 003 knew no difference."""
    assert house.post("/resend-otp", {"phone_number": house.number()}).status_code == 200
    assert len(house.channel.messages) == 1


def test_after_its_end_a_new_verification_begins(house):
    """A resend by the id of a verification that is over sends a new code under a new id."""
    number = house.number()
    first = house.send(number)
    house.verify(number)
    house.clock.advance(31)
    again = house.post("/resend-otp", {"verification_id": first.json["verification_id"]})
    assert again.status_code == 200
    assert again.json["verification_id"] != first.json["verification_id"]


@pytest.mark.parametrize("verification_id", ["VE" + "0" * 32, "VE", "x", "../send-otp"])
def test_an_id_that_names_nothing_is_not_found(house, verification_id):
    """An unknown id and what is no id at all get the same answer."""
    answer = house.post("/resend-otp", {"verification_id": verification_id})
    assert (answer.status_code, answer.json["error_type"]) == (404, "not_found")
    assert house.channel.messages == []


@pytest.mark.parametrize("body", [{}, {"phone_number": ""}, {"phone_number": None}])
def test_without_number_and_id_nothing_happens(house, body):
    """What is missing is told in seed 003's words."""
    answer = house.post("/resend-otp", body)
    assert (answer.status_code, answer.json["error"]) == (400, "Phone number is required")


def test_a_resend_has_the_same_limits(house):
    """Asking at another address does not shorten the gap."""
    number = house.number()
    first = house.send(number)
    by_number = house.post("/resend-otp", {"phone_number": number})
    by_id = house.post("/resend-otp", {"verification_id": first.json["verification_id"]})
    assert [by_number.status_code, by_id.status_code] == [429, 429]


def test_the_originals_new_code_is_a_setting(open_house):
    """OTP_RESEND_NEW_CODE=1: each message has another code, and only the last one is right."""
    house = open_house(otp_resend_new_code=True, otp_resend_gaps="")
    number = house.number()
    house.send(number)
    old = house.code()
    house.post("/resend-otp", {"phone_number": number})
    assert house.code() != old
    assert house.verify(number, old).status_code == 400
    assert house.verify(number).status_code == 200
