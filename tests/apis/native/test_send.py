"""POST /send-otp."""

import re

import pytest

from tests.web.site import api_key

LANDLINE = "+442079460000"
HASH = "FA+9qCX9VSu"  # of an Android app


def test_the_answer_has_seed_words_and_what_a_program_needs(site):
    """Success reads as it always did, with the verification's id, state and times beside it."""
    answer = site.send("+14155552671")
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


def test_the_message_has_a_code_of_six_digits(site):
    """The phone gets the number's only copy of the code, in the default words."""
    site.send("+14155552671")
    (message,) = site.channel.messages
    assert message.to == "+14155552671"
    assert re.fullmatch(r"Your OTP is: [0-9]{6}", message.text)
    assert message.text.endswith(message.code)


def test_the_answer_shows_neither_code_nor_number(site):
    """Who asks for a code does not get it, nor the number that the caller's user has."""
    answer = site.send("+14155552671")
    shown = answer.get_data(as_text=True) + str(answer.headers)
    assert site.code() not in shown
    assert "4155552671" not in shown


@pytest.mark.parametrize("text", ["4155552671", "+1", "whatsapp:+14155552671", "+1415555267\uff11", "+1415555267\0"])
def test_what_is_no_mobile_number_is_refused(site, text):
    """Only international form in ASCII is a number."""
    answer = site.send(text)
    assert (answer.status_code, answer.json["error_type"]) == (400, "invalid_phone")
    assert site.channel.messages == []


def test_a_fixed_line_gets_no_text_message(site):
    """Which is reported as such: another channel may reach it."""
    answer = site.send(LANDLINE)
    assert (answer.status_code, answer.json["error_type"]) == (400, "landline")
    assert site.channel.messages == []


def test_a_number_has_one_spelling(site):
    """Blanks, dots, hyphens and brackets make no second number with limits of its own."""
    site.send("+14155552671")
    assert site.send("+1 (415) 555-26.71").json["error_type"] == "resend_too_soon"


@pytest.mark.parametrize(("first", "second", "counts"), [
    ("+54 11 2345 6789", "+54 9 11 2345 6789", "+5491123456789"),
    ("+54 9 11 2345 6789", "+54 11 2345 6789", "+5491123456789"),
    ("+52 1 55 1234 5678", "+52 55 1234 5678", "+525512345678"),
    ("+220 712 3456", "+220 87 712 3456", "+220877123456"),
])  # fmt: skip
def test_a_line_with_two_numbers_has_one_code_and_one_limit(site, first, second, counts):
    """Two ways to write a mobile number of Argentina, Mexico or the Gambia are one before anything is counted."""
    sent = site.send(first)
    assert sent.json["to"].endswith(counts[-3:])
    assert (site.channel.messages[-1].to, len(sent.json["to"])) == (counts, len(counts))
    assert site.send(second).json["error_type"] == "resend_too_soon"
    assert site.verify(second).json["status"] == "approved"


def test_only_countries_of_the_list_are_served(open_site):
    site = open_site(otp_countries="IN")
    assert site.send("+918169986162").status_code == 200
    refused = site.send("+14155552671")
    assert (refused.status_code, refused.json["error_type"]) == (403, "country_not_allowed")


def test_a_send_while_one_is_pending_sends_the_same_code(site):
    """A second message never makes the first one's code worthless, and has the same verification."""
    number = site.number()
    first = site.send(number)
    code = site.code()
    site.clock.advance(31)
    second = site.send(number)
    assert site.code() == code
    assert second.json["verification_id"] == first.json["verification_id"]
    assert (second.json["expires_in"], second.json["resend_in"]) == (300, 60)


def test_too_soon_says_when(site):
    """Inside the gap between two messages the answer is 429, with when to come back, in three places."""
    number = site.number()
    site.send(number)
    site.clock.advance(10.5)
    answer = site.send(number)
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
    assert len(site.channel.messages) == 1


def test_the_hour_has_its_cap(open_site):
    """OTP_SENDS_PER_HOUR messages go to a number; the next one waits until the first is an hour old."""
    site = open_site(otp_resend_gaps="", otp_sends_per_hour=2)
    number = site.number()
    site.send(number)
    site.clock.advance(600)
    assert site.send(number).status_code == 200
    answer = site.send(number)
    assert (answer.status_code, answer.json["error_type"]) == (429, "too_many_sends")
    assert answer.headers["Retry-After"] == "3000"
    assert answer.headers["RateLimit-Policy"] == '"number";q=2;w=3600'


def test_only_callers_with_a_key_see_what_is_left(open_site):
    """How many messages a number may still get is nothing for strangers."""
    site = open_site(otp_public=True, otp_countries="US", otp_api_keys=api_key("shop", "send", "key"))
    assert "sends_left" not in site.send().json
    assert site.send(key="key").json["sends_left"] == 4


def test_purpose_channel_and_locale_are_the_callers_choice(open_site):
    """A purpose has a verification of its own, a channel is used alone, and the text has the language asked for."""
    site = open_site(
        otp_channels="tests.web.site:RecordingChannel,tests.web.site:OtherChannel",
        otp_messages='{"es": "Tu código es: {code}"}',
        otp_resend_gaps="",
    )
    number = site.number()
    login = site.send(number)
    wish = {"phone_number": number, "purpose": "pay", "channel": "whatsapp", "locale": "es-MX"}
    pay = site.post("/send-otp", wish)
    assert pay.json["channel"] == "whatsapp"
    assert pay.json["verification_id"] != login.json["verification_id"]
    (message,) = site.services.channels[1].messages
    assert message.text == f"Tu código es: {message.code}"


@pytest.mark.parametrize(("number", "wish", "start"), [
    ("+4915123456789", {}, "Ihr Code lautet: "), ("+4915123456789", {"locale": "en"}, "Your OTP is: "),
    ("+14155552671", {"locale": "ar-EG"}, "رمز التحقق الخاص بك: "), ("+14155552671", {"locale": "sw"}, "Your OTP is: "),
    ("+918169986162", {}, "Your OTP is: "), ("+918169986162", {"locale": "hi-IN"}, "आपका कोड है: "),
])  # fmt: skip
def test_the_text_is_in_the_language_of_the_locale_or_else_of_the_country(site, number, wish, start):
    assert site.post("/send-otp", {"phone_number": number} | wish).status_code == 200
    assert site.channel.messages[-1].text == start + site.code()


def test_a_message_for_an_android_app(open_site):
    """Its hash is the end in place of the line for browsers; of the resend too, which need not name it."""
    site = open_site(otp_origin="shop.example")
    number = site.number()
    assert site.post("/send-otp", {"phone_number": number, "app_hash": HASH}).status_code == 200
    site.clock.advance(60)
    sent = site.post("/resend-otp", {"phone_number": number})
    assert [message.text for message in site.channel.messages] == [f"Your OTP is: {site.code()}\n\n{HASH}"] * 2
    assert site.verify(number).json["verification_id"] == sent.json["verification_id"]


def test_strangers_choose_no_app_that_reads_codes(open_site):
    """It may be one on the phone of a victim. Those that the operator lists are for all, and for API keys any is."""
    keys = api_key("shop", "send", "key")
    site = open_site(otp_public=True, otp_countries="US", otp_api_keys=keys, otp_app_hashes="He42w354ol9,AAAAAAAAAAA")
    for path in ("/send-otp", "/resend-otp"):
        refused = site.post(path, {"phone_number": site.number(), "app_hash": HASH})
        assert (refused.status_code, refused.json["error"][:8]) == (400, "app_hash")
    assert site.channel.messages == []
    for how in ({"app_hash": "He42w354ol9"}, {"app_hash": HASH, "key": "key"}):
        answer = site.post("/send-otp", {"phone_number": site.number(), "app_hash": how.pop("app_hash")}, **how)
        assert answer.status_code == 200


def test_a_text_of_the_operator_is_for_all_countries(open_site):
    site = open_site(otp_message="Code {code}")
    site.post("/send-otp", {"phone_number": "+4915123456789", "locale": "de"})
    assert site.channel.messages[-1].text == f"Code {site.code()}"


@pytest.mark.parametrize("locale", [
    "es-u-ms-metric-x-" + "-".join(["abcdefgh"] * 100), "es-MX" + "-a-bcdefghi" * 90, "ES_mx@" + "x" * 990,
])  # fmt: skip
def test_a_tag_of_any_length_costs_no_message(site, locale):
    """RFC 5646 sets no bound; what is kept of it is enough for a text."""
    site.post("/send-otp", {"phone_number": "+14155552671", "locale": locale})
    assert site.channel.messages[-1].text.startswith("Tu código")


@pytest.mark.parametrize(("field", "value", "error_type"), [
    ("channel", "pigeon", "unknown_channel"), ("channel", 7, "bad_request"), ("purpose", "Log in", "bad_request"),
    ("purpose", "a" * 33, "bad_request"), ("purpose", "", "bad_request"), ("purpose", 1, "bad_request"),
    ("app_hash", HASH[1:], "bad_request"), ("app_hash", HASH.replace("+", "_"), "bad_request"),
    ("app_hash", 1, "bad_request"), ("app_hash", f"{HASH}\n", "bad_request"), ("locale", "en{{7*7}}", "bad_request"),
    ("locale", "en\n", "bad_request"), ("locale", "e" * 1001, "bad_request"),
    ("phone_number", 14155552671, "bad_request"), ("phone_number", ["+14155552671"], "bad_request"),
    ("phone_number", "+1" * 40, "bad_request"),
])  # fmt: skip
def test_a_field_that_nobody_can_use_is_refused(site, field, value, error_type):
    """What is wrong in a field is reported by the field's name, without its value; nothing is sent."""
    answer = site.post("/send-otp", {"phone_number": "+14155552671", field: value})
    assert (answer.status_code, answer.json["error_type"]) == (400, error_type)
    assert answer.json["error"].startswith(field)
    assert site.channel.messages == []


@pytest.mark.parametrize("field", ["purpose", "channel", "locale", "app_hash", "verification_id"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_field_that_may_be_left_out_may_not_be_empty(site, field, value):
    """Null or empty is a defect of the caller, which a default would hide."""
    answer = site.post("/send-otp", {"phone_number": site.number(), field: value})
    assert (answer.status_code, answer.json["error_type"]) == (400, "bad_request")
    assert site.channel.messages == []


def test_fields_that_nobody_knows_do_nothing(site):
    answer = site.post("/send-otp", {"phone_number": site.number(), "otp": "123456", "admin": True, "code": {}})
    assert answer.status_code == 200
    assert site.code() != "123456"


def test_a_test_number_has_its_code_and_no_message(open_site):
    """OTP_TEST_NUMBERS get their fixed code, and nothing is sent."""
    site = open_site(otp_test_numbers="+15005550006=424242@2026-12-31")
    assert site.send("+15005550006").status_code == 200
    assert site.verify("+15005550006", "424242").status_code == 200
    assert site.channel.messages == []
