"""Twilio's Verify v2 as a client of Twilio's meets it: channels, and what may be asked."""

import re

import pytest

from otp_app.apis.verify_v2.state import Verify
from tests.apis.verify_v2.site import ACCOUNT, SERVICE, refused

TWO_CHANNELS = "tests.web.site:RecordingChannel,tests.web.site:OtherChannel"


# ---- channels


@pytest.mark.parametrize("channel", ["call", "email", "sna", "rcs", "rbm", "whatsapp"])
def test_a_channel_that_is_not_served(verify, channel):
    answer = verify.start(channel=channel)
    assert refused(answer) == (403, 60223)
    assert channel.upper() in answer.json["message"]


@pytest.mark.parametrize("channel", ["", "pigeon", "SMS", "console", "tests.web.site:RecordingChannel"])
def test_a_word_that_is_no_channel(verify, channel):
    answer = verify.start(channel=channel)
    assert refused(answer) == (400, 60200)
    assert "Channel" in answer.json["message"]


def test_the_channel_is_the_callers_choice(open_verify):
    """Only the named one is used; auto is the server's order."""
    verify = open_verify(otp_channels=TWO_CHANNELS)
    sms, whatsapp = verify.site.services.channels
    assert whatsapp.name == "whatsapp"
    assert verify.start(channel="whatsapp").json["channel"] == "whatsapp"
    assert (len(sms.messages), len(whatsapp.messages)) == (0, 1)
    assert verify.start(channel="auto").json["channel"] == "sms"
    assert (len(sms.messages), len(whatsapp.messages)) == (1, 1)


def test_each_attempt_keeps_its_channel(open_verify):
    verify = open_verify(otp_channels=TWO_CHANNELS)
    started = verify.start().json
    again = verify.start(started["to"], "whatsapp").json
    assert [attempt["channel"] for attempt in again["send_code_attempts"]] == ["SMS", "WHATSAPP"]
    assert (started["channel"], again["channel"]) == ("sms", "whatsapp")


def test_the_console_beside_others_stands_in_for_none(open_verify):
    """SMS is SMS where there is SMS."""
    verify = open_verify(otp_channels="console,tests.web.site:RecordingChannel", otp_verify_accounts="")
    assert verify.start().status_code == 201
    assert len(verify.site.services.channels[1].messages) == 1
    assert refused(verify.start(channel="whatsapp")) == (403, 60223)


@pytest.mark.parametrize(("asked", "shown"), [("sms", "sms"), ("whatsapp", "whatsapp"), ("auto", "sms")])
def test_the_console_stands_in(open_verify, capsys, asked, shown):
    """Where it is all there is, as in a test run: the answer has Twilio's words."""
    verify = open_verify(otp_channels="console", otp_verify_accounts="")
    started = verify.start(channel=asked).json
    assert started["to"] in capsys.readouterr().out
    assert (started["channel"], started["send_code_attempts"][0]["channel"]) == (shown, shown.upper())
    assert verify.fetch(started["sid"]).json["channel"] == "sms"


# ---- parameters


@pytest.mark.parametrize("form", [
    {"Locale": "de"}, {"RiskCheck": "enable"}, {"RiskCheck": "disable"}, {"DeviceIp": "203.0.113.7"},
    {"DeviceIp": "2001:db8::1"}, {"Tags": '{"campaign":"spring"}'}, {"Tags": "{}"},
    {"RateLimits": '{"end_user_ip_address":"203.0.113.7"}'}, {"SendDigits": "ww1"}, {"EnableSnaClientToken": "true"},
    {"TemplateSid": "", "CustomCode": "", "Tags": "", "Locale": ""}, {"NobodyKnows": "this"},
], ids=str)  # fmt: skip
def test_parameters_that_change_nothing(verify, form):
    assert verify.start(**form).status_code == 201


@pytest.mark.parametrize(("name", "value"), [
    ("Locale", "not a tag"), ("AppHash", "1"), ("AppHash", "He42w354ol9="), ("AppHash", "He42-354ol9"),
    ("RiskCheck", "perhaps"), ("DeviceIp", "nowhere"), ("Tags", "{"), ("Tags", "[]"),
    ("Tags", '{"a":1}'), ("Tags", '{"a":"b","a":"c"}'),
    ("Tags", "{" + ",".join(f'"{n}":"x"' for n in range(11)) + "}"), ("Tags", f'{{"a":"{"x" * 129}"}}'),
    ("Tags", f'{{"{"x" * 129}":"a"}}'), ("Tags", "[" * 2000), ("RateLimits", "{"), ("RateLimits", '"a"'),
    ("RateLimits", '{"a":{}}'), ("CustomCode", "123"), ("CustomCode", "12345678901"), ("CustomCode", "abcdef"),
])  # fmt: skip
def test_parameters_that_twilio_would_refuse(verify, name, value):
    """60200 with the parameter's name, and nothing is sent."""
    answer = verify.start(**{name: value})
    assert refused(answer) == (400, 60200)
    assert answer.json["message"] == f"Invalid parameter: {name}"
    assert verify.site.channel.messages == []


@pytest.mark.parametrize("name", [
    "ChannelConfiguration", "CustomFriendlyName", "CustomMessage", "TemplateSid", "TemplateCustomSubstitutions",
    "Templates", "Amount", "Payee",
])  # fmt: skip
def test_parameters_for_what_is_not_done(verify, name):
    """60204: a message that is not what was asked for would be worse than none."""
    answer = verify.start(**{name: "1"})
    assert refused(answer) == (403, 60204)
    assert name in answer.json["message"]
    assert verify.site.channel.messages == []


@pytest.mark.parametrize("name", ["Amount", "Payee"])
def test_a_payment_is_not_approved(verify, name):
    """A code was not bound to an amount, so no check says it was; no attempt is spent."""
    started, code = verify.started()
    assert refused(verify.check(code, To=started["to"], **{name: "1"})) == (403, 60204)
    assert verify.check(code, To=started["to"]).json["valid"] is True


def registry(verify):
    return verify.site.app.extensions["otp_states"][Verify].services


def test_a_code_of_the_callers_own(open_verify):
    """60204 until the service allows it; then it is the one that is sent, in place of a pending one's too."""
    verify = open_verify(otp_verify_services="")
    service = registry(verify).of(ACCOUNT).create(name="Shop")
    number = verify.site.number()
    assert refused(verify.start(number, CustomCode="8642", service=service.sid)) == (403, 60204)
    assert verify.site.channel.messages == []
    registry(verify).of(ACCOUNT).update(service.sid, custom_code=True)
    first = verify.start(number, service=service.sid).json
    again = verify.start(number, CustomCode="86421357", service=service.sid).json
    assert (again["sid"], verify.site.code()) == (first["sid"], "86421357")
    assert verify.check("86421357", service.sid, To=number).json["valid"] is True


@pytest.mark.parametrize("code", [" 8642", "8642 ", " 8642 "])
def test_blanks_around_a_code_of_the_callers_own(open_verify, code):
    """Hooks cut it out of a text ("Your code is: 8642"); it is sent and checked without them."""
    verify = open_verify(otp_verify_services=f"{SERVICE}:login:custom_code")
    started = verify.start(CustomCode=code).json
    assert verify.site.code() == "8642"
    assert verify.check("8642", To=started["to"]).json["valid"] is True


def test_the_language_of_the_message(open_verify):
    """Locale is obeyed where the operator or the server has words for it."""
    verify = open_verify(otp_messages={"de": "Dein Code: {code}"}, otp_app_name="Shop")
    verify.start(Locale="de")
    assert verify.site.channel.messages[-1].text == f"Dein Code: {verify.site.code()}"
    verify.start(Locale="pt-BR")
    assert verify.site.channel.messages[-1].text == f"O seu código Shop é: {verify.site.code()}"


def test_the_message_for_an_android_app(open_verify):
    """AppHash is its end, also that of a start that does not repeat it, and goes with any Locale."""
    verify = open_verify(otp_origin="shop.example")
    number = verify.site.number()
    for form in ({"AppHash": "He42w354ol9", "Locale": "es"}, {"Locale": "es"}):
        assert verify.start(number, **form).status_code == 201
        assert verify.site.channel.messages[-1].text == f"Tu código es: {verify.site.code()}\n\nHe42w354ol9"


def test_an_app_reads_no_whatsapp(open_verify):
    verify = open_verify(otp_channels=TWO_CHANNELS)
    assert verify.start(channel="whatsapp", AppHash="He42w354ol9").status_code == 201
    message = verify.site.services.channels[1].messages[-1]
    assert message.text == f"Your verification code is: {message.code}"


def test_a_service_of_its_own_figures(open_verify):
    """As long as it wants, its name in the text, with the warning."""
    verify = open_verify(otp_verify_services="")
    service = registry(verify).of(ACCOUNT).create(name="Shop", code_length=8, do_not_share=True)
    verify.start(service=service.sid)
    message = verify.site.channel.messages[-1]
    assert re.fullmatch("[0-9]{8}", message.code)
    assert message.text.startswith(f"Your Shop verification code is: {message.code}. ")


@pytest.mark.parametrize("code", ["", "123", "12345678901", "12345a", "\u2460" * 6, "123456\n"])
def test_what_is_no_code(verify, code):
    started, right = verify.started()
    for _ in range(6):
        assert refused(verify.check(code, To=started["to"])) == (400, 60200)
    assert verify.check(right, To=started["to"]).json["valid"] is True


def test_a_code_of_another_length_is_an_attempt(verify):
    started, right = verify.started()
    for _ in range(5):
        assert verify.check("1234", To=started["to"]).json["status"] == "pending"
    assert refused(verify.check(right, To=started["to"])) == (429, 60202)


def test_nobody_said_which(verify):
    """Neither number nor SID, or what is no number."""
    assert refused(verify.check("123456")) == (400, 60221)
    assert refused(verify.check("123456", To="12345")) == (400, 60200)
    assert refused(verify.check("123456", To="", VerificationSid="")) == (400, 60221)
