"""POST /send-otp."""

import re

import pytest

from tests.web.house import api_key

LANDLINE = "+442079460000"


def test_the_answer_has_seed_words_and_what_a_program_needs(house):
    """Success reads as it always did, with the verification's id, state and times beside it."""
    answer = house.send("+14155552671")
    body = answer.json
    assert answer.status_code == 200
    assert re.fullmatch("VE[0-9a-f]{32}", body.pop("verification_id"))
    assert body == {
        "success": True,
        "message": "OTP sent successfully!",
        "status": "pending",
        "to": "+1*******671",
        "channel": "sms",
        "expires_in": 300,
        "resend_in": 30,
    }


def test_the_message_has_a_code_of_six_digits(house):
    """The phone gets the number's only copy of the code, in the default words."""
    house.send("+14155552671")
    (message,) = house.channel.messages
    assert message.to == "+14155552671"
    assert re.fullmatch(r"Your OTP is: [0-9]{6}", message.text)
    assert message.text.endswith(message.code)


def test_the_answer_shows_neither_code_nor_number(house):
    """Who asks for a code does not get it, nor the number that the caller's user has."""
    answer = house.send("+14155552671")
    shown = answer.get_data(as_text=True) + str(answer.headers)
    assert house.code() not in shown
    assert "4155552671" not in shown


@pytest.mark.parametrize("body", [{}, {"phone_number": None}, {"phone_number": ""}, {"phone": "+14155552671"}])
def test_without_a_number_nothing_happens(house, body):
    """A missing, null or empty number is told in seed 003's words."""
    answer = house.post("/send-otp", body)
    assert (answer.status_code, answer.json["error"]) == (400, "Phone number is required")
    assert house.channel.messages == []


@pytest.mark.parametrize(
    "text", ["4155552671", "+1", "whatsapp:+14155552671", "+1415555267\uff11", "+1415555267\0"]
)
def test_what_is_no_mobile_number_is_refused(house, text):
    """Only international form in ASCII is a number."""
    answer = house.send(text)
    assert (answer.status_code, answer.json["error_type"]) == (400, "invalid_phone")
    assert house.channel.messages == []


def test_a_fixed_line_gets_no_text_message(house):
    """Which is told as such: another channel may reach it."""
    answer = house.send(LANDLINE)
    assert (answer.status_code, answer.json["error_type"]) == (400, "landline")
    assert house.channel.messages == []


def test_a_number_has_one_spelling(house):
    """Blanks, dots, hyphens and brackets make no second number with limits of its own."""
    house.send("+14155552671")
    assert house.send("+1 (415) 555-26.71").json["error_type"] == "resend_too_soon"


@pytest.mark.parametrize(
    ("first", "second", "counts"),
    [
        ("+54 11 2345 6789", "+54 9 11 2345 6789", "+5491123456789"),
        ("+54 9 11 2345 6789", "+54 11 2345 6789", "+5491123456789"),
        ("+52 1 55 1234 5678", "+52 55 1234 5678", "+525512345678"),
    ],
)
def test_a_line_with_two_numbers_has_one_code_and_one_limit(house, first, second, counts):
    """Argentina's and Mexico's two ways to write a mobile number are one number before anything is counted."""
    sent = house.send(first)
    assert sent.json["to"].endswith(counts[-3:])
    assert (house.channel.messages[-1].to, len(sent.json["to"])) == (counts, len(counts))
    assert house.send(second).json["error_type"] == "resend_too_soon"
    assert house.verify(second).json["status"] == "approved"


def test_only_countries_of_the_list_are_served(open_house):
    """OTP_COUNTRIES says where messages may go."""
    house = open_house(otp_countries="IN")
    assert house.send("+918169986162").status_code == 200
    refused = house.send("+14155552671")
    assert (refused.status_code, refused.json["error_type"]) == (403, "country_not_allowed")


def test_a_send_while_one_is_pending_sends_the_same_code(house):
    """A second message never makes the first one's code worthless, and has the same verification."""
    number = house.number()
    first = house.send(number)
    code = house.code()
    house.clock.advance(31)
    second = house.send(number)
    assert house.code() == code
    assert second.json["verification_id"] == first.json["verification_id"]
    assert (second.json["expires_in"], second.json["resend_in"]) == (300, 60)


def test_too_soon_says_when(house):
    """Inside the gap between two messages the answer is 429, with when to come back, in three places."""
    number = house.number()
    house.send(number)
    house.clock.advance(10.5)
    answer = house.send(number)
    assert answer.status_code == 429
    assert answer.json == {
        "error": "A message was sent to this number a moment ago",
        "error_type": "resend_too_soon",
        "status": 429,
        "retry_after": 20,
    }
    assert answer.headers["Retry-After"] == "20"
    assert answer.headers["RateLimit-Policy"] == '"number";q=1;w=30'
    assert answer.headers["RateLimit"] == '"number";r=0;t=20'
    assert len(house.channel.messages) == 1


def test_the_hour_has_its_cap(open_house):
    """OTP_SENDS_PER_HOUR messages go to a number; the next one waits until the first is an hour old."""
    house = open_house(otp_resend_gaps="", otp_sends_per_hour=2)
    number = house.number()
    house.send(number)
    house.clock.advance(600)
    assert house.send(number).status_code == 200
    answer = house.send(number)
    assert (answer.status_code, answer.json["error_type"]) == (429, "too_many_sends")
    assert answer.headers["Retry-After"] == "3000"
    assert answer.headers["RateLimit-Policy"] == '"number";q=2;w=3600'


def test_only_callers_with_a_key_are_told_what_is_left(open_house):
    """How many messages a number may still get is nothing for strangers."""
    house = open_house(otp_public=True, otp_countries="US", otp_api_keys=api_key("shop", "send", "key"))
    assert "sends_left" not in house.send().json
    assert house.send(key="key").json["sends_left"] == 4


def test_purpose_channel_and_locale_are_the_callers_choice(open_house):
    """A purpose has a verification of its own, a channel is used alone, and the text has the language asked for."""
    house = open_house(
        otp_channels="tests.web.house:RecordingChannel,tests.web.house:OtherChannel",
        otp_messages='{"es": "Tu código es: {code}"}',
        otp_resend_gaps="",
    )
    number = house.number()
    login = house.send(number)
    wish = {"phone_number": number, "purpose": "pay", "channel": "whatsapp", "locale": "es-MX"}
    pay = house.post("/send-otp", wish)
    assert pay.json["channel"] == "whatsapp"
    assert pay.json["verification_id"] != login.json["verification_id"]
    (message,) = house.services.channels[1].messages
    assert message.text == f"Tu código es: {message.code}"


@pytest.mark.parametrize(
    ("field", "value", "error_type"),
    [
        ("channel", "pigeon", "unknown_channel"),
        ("channel", 7, "bad_request"),
        ("purpose", "Log in", "bad_request"),
        ("purpose", "a" * 33, "bad_request"),
        ("purpose", "", "bad_request"),
        ("purpose", 1, "bad_request"),
        ("locale", "en{{7*7}}", "bad_request"),
        ("locale", "en\n", "bad_request"),
        ("phone_number", 14155552671, "bad_request"),
        ("phone_number", ["+14155552671"], "bad_request"),
        ("phone_number", "+1" * 40, "bad_request"),
    ],
)
def test_a_field_that_nobody_can_use_is_refused(house, field, value, error_type):
    """What is wrong in a field is told by the field's name, without its value; nothing is sent."""
    answer = house.post("/send-otp", {"phone_number": "+14155552671", field: value})
    assert (answer.status_code, answer.json["error_type"]) == (400, error_type)
    assert answer.json["error"].startswith(field)
    assert house.channel.messages == []


@pytest.mark.parametrize("field", ["purpose", "channel", "locale", "verification_id"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_field_that_may_be_left_out_may_not_be_empty(house, field, value):
    """Null or empty is a defect of the caller, which a default would hide."""
    answer = house.post("/send-otp", {"phone_number": house.number(), field: value})
    assert (answer.status_code, answer.json["error_type"]) == (400, "bad_request")
    assert house.channel.messages == []


def test_fields_that_nobody_knows_do_nothing(house):
    """An app may send more than we read."""
    answer = house.post("/send-otp", {"phone_number": house.number(), "otp": "123456", "admin": True, "code": {}})
    assert answer.status_code == 200
    assert house.code() != "123456"


def test_a_test_number_has_its_code_and_no_message(open_house):
    """OTP_TEST_NUMBERS get their fixed code, and nothing is sent."""
    house = open_house(otp_test_numbers="+15005550006=424242@2026-12-31")
    assert house.send("+15005550006").status_code == 200
    assert house.verify("+15005550006", "424242").status_code == 200
    assert house.channel.messages == []
