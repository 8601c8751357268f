"""What `check` says of texts that take several SMS."""

import json
import re

import pytest

from otp_app import startup
from otp_app.core.languages import WORDINGS
from otp_app.startup import lengths
from tests.configuration import make_settings
from tests.phone_verification import django

NOT_GSM = "because {} is not in GSM-7"


def advice(**given):
    return lengths.advice(make_settings(**{"otp_apis": ("native",)} | given))


def several(**given):
    """Only what takes several SMS."""
    return [line for line in advice(**given) if " SMS" in line]


@pytest.mark.parametrize("apis", ["native", "users", "phone", "verify_v2", "connect", "native,users,phone,verify_v2"])
@pytest.mark.parametrize("given", [{}, {"otp_app_name": "Corner Store"}, {"otp_origin": "login.example.com"}], ids=str)
def test_the_texts_of_the_server_take_one_sms(apis, given):
    """In every language and for every API, with a name and a host of moderate length."""
    assert advice(otp_apis=apis, **given) == []


@pytest.mark.parametrize(("message", "end"), [
    ("{code} " + "x" * 151, None), ("{code} " + "x" * 152, "2 SMS: 161 characters, where one SMS has 160"),
    ("{code} {minutes} " + "x" * 149, "2 SMS: 161 characters, where one SMS has 160"),
    ("{code} ó" + "x" * 60, None),
    ("{code} ó" + "x" * 61, "2 SMS: 71 characters, where one SMS has 70 because ó (U+00F3) is not in GSM-7"),
    ("{code}\t" + "я" * 130, "3 SMS: 139 characters, where one SMS has 70 because U+0009 is not in GSM-7"),
], ids=ascii)  # fmt: skip
def test_a_text_of_several_sms_is_named_with_the_character_that_costs_them(message, end):
    """The code has the eight digits that a number under attack gets, and ten minutes are two digits."""
    assert several(otp_message=message) == ([f"OTP_MESSAGE: the text takes {end}"] if end else [])


def test_each_language_of_the_operator_is_looked_at():
    texts = {"es": "Código {code} " + "x" * 60, "de": "{code}", "pt-BR": "{code} " + "x" * 160}
    lines = [line.partition(" takes")[0] for line in several(otp_messages=json.dumps(texts))]
    assert lines == ["OTP_MESSAGES: the text in es", "OTP_MESSAGES: the text in pt-br"]


def test_the_longest_code_counts():
    fits = "{code} ó" + "x" * 60
    assert several(otp_message=fits) == []
    (line,) = several(otp_message=fits, otp_code_length_raised=9)
    assert line.startswith("OTP_MESSAGE: the text takes 2 SMS: 71 characters")


def test_the_line_of_browsers_counts():
    text, origin = "{code} " + "x" * 121, "login.shop.example"
    assert several(otp_message=text) == []
    (line,) = several(otp_message=text, otp_origin=origin)
    counted = "2 SMS: 161 characters, where one SMS has 160"
    assert line == f"OTP_MESSAGE: the text with the line of OTP_ORIGIN takes {counted}"


def test_what_makes_texts_of_the_server_long_is_one_line():
    """With each language, how many SMS it takes, and the character."""
    (line,) = advice(otp_origin="a" * 60 + ".example.com")
    assert line.startswith("OTP_ORIGIN: with it, some of the server's own texts take several SMS: ar 2 SMS (")
    assert "; es 2 SMS (" in line
    assert NOT_GSM.format("ó (U+00F3)") in line
    assert " de " not in line
    lines = advice(otp_apis="verify_v2", otp_app_name="n" * 40)
    assert [line.partition(":")[0] for line in lines] == ["OTP_APP_NAME", "OTP_APP_NAME"]


def test_a_text_that_no_app_would_read_is_named():
    """Where a request can name an app: not in the users and phone APIs."""
    line = "OTP_MESSAGE: the text is too long for a send with an app_hash (140 bytes), which gets a short text instead"
    text = "{code} " + "x" * 119
    assert advice(otp_message=text) == [line]
    assert advice(otp_message=text[:-1]) == []
    assert advice(otp_apis="users,phone", otp_message=text) == []
    lines = advice(otp_apis="verify_v2", otp_app_name="n" * 40)
    assert lines[-1].startswith("OTP_APP_NAME: with it, some of the server's own texts are too long for a send")


def test_the_text_of_the_phone_api_is_that_of_its_settings():
    written = django(MESSAGE="{app} ó {security_code} " + "x" * 60, APP_NAME="Shop")
    (line,) = advice(otp_apis="phone", phone_verification=written)
    assert line.startswith("PHONE_VERIFICATION: the text takes 2 SMS")


def test_a_code_that_a_client_chooses_has_ten_digits():
    text, service = "{code} ó" + "x" * 59, f"VA{'1' * 32}:login"
    assert several(otp_apis="verify_v2", otp_message=text, otp_verify_services=service) == []
    (line,) = several(otp_apis="verify_v2", otp_message=text, otp_verify_services=f"{service}:custom_code")
    assert line.startswith("OTP_MESSAGE: the text takes 2 SMS: 71 characters")


@pytest.mark.parametrize("channels", ["whatsapp", "twilio_verify"])
def test_where_no_text_is_an_sms_of_the_server_nothing_is_said(channels):
    assert advice(otp_channels=channels, otp_message="{code} ó" + "x" * 200) == []


def test_check_says_it(tmp_path):
    """Among what could be better."""
    lines = startup.advice(startup.load({"OTP_MESSAGE": "{code} ó" + "x" * 61}, tmp_path))
    assert [line for line in lines if line.startswith("OTP_MESSAGE: the text takes 2 SMS: 71")]


def test_every_language_is_looked_at():
    (line,) = advice(otp_origin="a" * 90 + ".example")
    named = set(re.findall(r" ([a-z-]+) [23] SMS \(", line))
    assert WORDINGS.keys() - named <= {"de", "fr", "id", "it", "nl", "tr"}  # in GSM-7
