"""PHONE_VERIFICATION: what users of django-phone-verify bring along."""

import json
import re

import pytest

from otp_app import startup
from otp_app.apis.phone.django_dict import TWICE, WHAT_TO_WRITE
from otp_app.apis.phone.settings import NEXMO, SANDBOXES, TWILIO, PhoneSettings, PhoneVerification, as_settings, parse
from otp_app.channels.twilio.settings import TwilioSettings
from otp_app.core.texts import Texts, template_fault
from tests.phone_verification import DJANGO
from tests.phones import fresh_numbers
from tests.running import ROOT

DOCUMENT = ROOT / "docs" / "phone-verify-recipes.md"
ACCOUNT = "AC" + "0" * 32
OPTIONS = {"SID": ACCOUNT, "SECRET": "s3cret", "FROM": "+14755292729", "SANDBOX_TOKEN": "123456"}
GIVEN = DJANGO | {"OPTIONS": OPTIONS}
#: as the README of the original prints it, comments included
PRINTED = """{
        'BACKEND': 'phone_verify.backends.twilio.TwilioBackend',
        'OPTIONS': {
            'SID': 'fake',
            'SECRET': 'fake',
            'FROM': '+14755292729',
            'SANDBOX_TOKEN':'123456',
        },
        'TOKEN_LENGTH': 6,
        'MESSAGE': 'Welcome to {app}! Please use security code {security_code} to proceed.',
        'APP_NAME': 'Phone Verify',
        'SECURITY_CODE_EXPIRATION_TIME': 3600,  # In seconds only
        'VERIFY_SECURITY_CODE_ONLY_ONCE': False,  # If False, a code can be used several times
    }"""


def chosen(**changes):
    return parse(json.dumps(GIVEN | changes))


def faults(text):
    with pytest.raises(ValueError) as caught:
        parse(text)
    return str(caught.value).split("; ")


def faults_of(**changes):
    return faults(json.dumps(GIVEN | changes))


def without(*names):
    return json.dumps({name: value for name, value in GIVEN.items() if name not in names})


# ---- what is right


def test_every_key_has_its_place():
    """Each one arrives under our name, in our unit, and there is nothing to say about any."""
    assert chosen(TOKEN_LENGTH=8, MAX_FAILED_ATTEMPTS=4) == PhoneVerification(
        backend=TWILIO,
        options=OPTIONS,
        code_length=8,
        ttl=300,
        once_only=True,
        max_attempts=4,
        message="Welcome to {app}! Please use security code {code} to proceed.",
        app_name="Phone Verify",
        advice=(),
    )


def test_nothing_is_the_server_as_it_is():
    """Without PHONE_VERIFICATION the API has safe figures, the server's own words and its own channels."""
    nothing = parse("")
    assert (nothing.ttl, nothing.once_only, nothing.max_attempts, nothing.code_length) == (300, True, 5, 6)
    assert (nothing.backend, nothing.own_class, nothing.sandbox_code, nothing.message) == ("", "", "", "")
    assert as_settings(nothing) == {}


def test_the_printed_example_works():
    """As it stands in a Django project, with its comments; what is done otherwise is reported."""
    example = parse(PRINTED)
    assert (example.ttl, example.once_only, example.code_length, example.app_name) == (600, False, 6, "Phone Verify")
    assert [line.partition(":")[0] for line in example.advice] == [
        "SECURITY_CODE_EXPIRATION_TIME",
        "SECURITY_CODE_EXPIRATION_SECONDS",
        "VERIFY_SECURITY_CODE_ONLY_ONCE",
    ]


def test_defaults_are_the_originals():
    """MIN_TOKEN_LENGTH is 6, MAX_FAILED_ATTEMPTS 5."""
    assert chosen().max_attempts == 5
    assert faults_of(TOKEN_LENGTH=5) == ["TOKEN_LENGTH: write 6 or more"]


@pytest.mark.parametrize(("name", "value"), [
    ("TOKEN_LENGTH", 10), ("MIN_TOKEN_LENGTH", 1), ("SECURITY_CODE_EXPIRATION_SECONDS", 60),
    ("SECURITY_CODE_EXPIRATION_SECONDS", 600), ("MAX_FAILED_ATTEMPTS", 1), ("MAX_FAILED_ATTEMPTS", 10),
    ("APP_NAME", ""),
])  # fmt: skip
def test_the_ends_of_a_range_are_in_it(name, value):
    assert chosen(**{name: value}).advice == ()


def test_secrets_are_not_in_a_repr():
    assert "s3cret" not in repr(chosen())


# ---- what works otherwise than it is written


@pytest.mark.parametrize(("changes", "line"), [
    ({"SECURITY_CODE_EXPIRATION_SECONDS": 601}, "SECURITY_CODE_EXPIRATION_SECONDS: no code lives longer than 600"),
    ({"VERIFY_SECURITY_CODE_ONLY_ONCE": False}, "VERIFY_SECURITY_CODE_ONLY_ONCE: a code that was used"),
    ({"RECORD_RETENTION_DAYS": 30}, "RECORD_RETENTION_DAYS: it does nothing"),
    ({"TOKEN_LENGHT": 6}, "TOKEN_LENGHT: there is no such key, and it does nothing"),
])  # fmt: skip
def test_advice(changes, line):
    """One line, which begins with the key."""
    (said,) = chosen(**changes).advice
    assert said.startswith(line)


def test_a_long_life_is_cut():
    """No setting of an API makes a code live longer than ten minutes."""
    assert chosen(SECURITY_CODE_EXPIRATION_SECONDS=3600).ttl == 600


def test_the_old_name_of_the_expiration():
    """It works and warns; beside the new one it does nothing."""
    old = json.loads(without("SECURITY_CODE_EXPIRATION_SECONDS")) | {"SECURITY_CODE_EXPIRATION_TIME": 120}
    line = "SECURITY_CODE_EXPIRATION_TIME: the name is old: write SECURITY_CODE_EXPIRATION_SECONDS"
    assert (parse(json.dumps(old)).ttl, parse(json.dumps(old)).advice) == (120, (line,))
    both = chosen(SECURITY_CODE_EXPIRATION_TIME=120)
    assert (both.ttl, both.advice) == (300, (line,))


# ---- what is wrong


@pytest.mark.parametrize("name", GIVEN)
def test_a_key_that_is_missing(name):
    """Those without which the original does not start either are named."""
    assert faults(without(name)) == [f"{name} is missing"]


def test_every_fault_is_reported_at_once():
    """Nobody has to start five times to learn of five slips."""
    few = {"BACKEND": TWILIO, "OPTIONS": {"SID": ACCOUNT}, "TOKEN_LENGTH": 11, "MESSAGE": "Hello"}
    assert [fault.split(":")[0] for fault in faults(json.dumps(few))] == [
        "TOKEN_LENGTH", "MESSAGE", "APP_NAME is missing", "SECURITY_CODE_EXPIRATION_SECONDS is missing",
        "VERIFY_SECURITY_CODE_ONLY_ONCE is missing", "OPTIONS.SECRET is missing", "OPTIONS.FROM is missing",
    ]  # fmt: skip


WRONG = {
    "BACKEND": ("s3cret", 7, "", "a b.C", "package.module:Class", None),
    "OPTIONS": ("s3cret", [], None),
    "TOKEN_LENGTH": (5, 11, "6", True, 6.5, None),
    "MIN_TOKEN_LENGTH": (0, 11, "6"),
    "MESSAGE": ("", "s3cret", "{app}", "{security_code", "{security_code} {user}", "{security_code!r}", 6, "{}",
                "\ud83d {security_code}"),
    "APP_NAME": ("s3cret" * 7, 6, None, "s3cret\ud83d"),
    "SECURITY_CODE_EXPIRATION_SECONDS": (59, 0, -1, "300", True, float("inf"), float("nan")),
    "VERIFY_SECURITY_CODE_ONLY_ONCE": (0, "False", None),
    "MAX_FAILED_ATTEMPTS": (0, 11, "5", True),
    "RECORD_RETENTION_DAYS": (0, "30"),
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_value(name, value):
    """The line names the key, and repeats no value."""
    first = faults_of(**{name: value})[0]
    assert first.startswith(f"{name}: ")
    assert "s3cret" not in first


def test_a_length_below_ones_own_minimum():
    """MIN_TOKEN_LENGTH raises the floor, and cannot lower it."""
    assert faults_of(MIN_TOKEN_LENGTH=8, TOKEN_LENGTH=7) == ["TOKEN_LENGTH: write 8 or more"]
    assert faults_of(MIN_TOKEN_LENGTH=4, TOKEN_LENGTH=5) == ["TOKEN_LENGTH: write 6 or more"]


@pytest.mark.parametrize("text", ["[]", "6", "{1: 2}", "{[]: 1}", "[" * 100_000, "null"])
def test_what_is_no_object(text):
    assert faults(text)[0].endswith(WHAT_TO_WRITE)


UNREADABLE = {
    "no object": ("no", 1),
    "a brace without its partner": ('{"TOKEN_LENGTH": 6,\n"APP_NAME": "x"', 1),
    "two commas": ('{"TOKEN_LENGTH": 6,\n"MESSAGE": "s3cret",,\n}', 2),
    "a text without its end": ('{\n\n"MESSAGE": "s3cret}', 3),
    "a call": ('{"OPTIONS":\n{"SID": os.environ["s3cret"]}}', 2),
}


@pytest.mark.parametrize(("text", "line"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_line_that_cannot_be_read_is_named(text, line):
    assert faults(text) == [f"line {line} cannot be read: {WHAT_TO_WRITE}"]


@pytest.mark.parametrize("name", ["SID", "SECRET", "FROM"])
@pytest.mark.parametrize("value", ["", 7, None, "s\ud83d"])
def test_twilio_needs_its_options(name, value):
    (fault,) = faults_of(OPTIONS=OPTIONS | {name: value})
    assert fault.startswith(f"OPTIONS.{name}: ")
    (fault,) = faults_of(OPTIONS={key: text for key, text in OPTIONS.items() if key != name})
    assert fault == f"OPTIONS.{name} is missing"


# ---- the message


@pytest.mark.parametrize(("message", "text"), [
    ("{app}: {security_code}", "Shop: 123456"), ("{{{security_code}}} {{app}}", "{123456} {app}"),
    ("{security_code}, {security_code}.", "123456, 123456."),
])  # fmt: skip
def test_a_message_says_the_same_as_before(message, text):
    """{security_code} is our {code}; braces that are meant stay."""
    template = chosen(MESSAGE=message).message
    assert template_fault(template) is None
    assert Texts(template, app_name="Shop").render("123456", 300) == text


# ---- back ends


def test_twilio_becomes_the_channel_sms():
    assert as_settings(chosen()) == {
        "OTP_CHANNELS": "sms",
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_AUTH_TOKEN": "s3cret",
        "TWILIO_PHONE_NUMBER": "+14755292729",
    }
    assert (chosen().own_class, chosen().sandbox_code, chosen().sid_fault) == ("", "", None)


def test_an_account_that_is_none():
    """It is not handed on, and the line for it names the key that the operator wrote."""
    printed = parse(PRINTED)
    assert "TWILIO_ACCOUNT_SID" not in as_settings(printed)
    assert printed.sid_fault.startswith("OPTIONS.SID: write AC and 32 hex digits")


def test_names_of_options_may_be_small():
    """The original's own back ends do not look at their case."""
    small = {"sid": ACCOUNT, "secret": "s3cret", "From": "+14755292729", "Sandbox_Token": "123456"}
    assert chosen(OPTIONS=small).options == OPTIONS


@pytest.mark.parametrize("backend", SANDBOXES)
def test_a_sandbox_has_one_code(backend):
    """Everybody's code is SANDBOX_TOKEN, and messages go where the server sends them."""
    sandbox = chosen(BACKEND=backend, OPTIONS={"SANDBOX_TOKEN": "0123"})
    assert (sandbox.sandbox_code, sandbox.own_class, as_settings(sandbox)) == ("0123", "", {})
    assert sandbox.sid_fault is None
    assert faults_of(BACKEND=backend, OPTIONS={}) == ["OPTIONS.SANDBOX_TOKEN is missing"]


@pytest.mark.parametrize("code", ["123", "12345678901", "12345x", "١٢٣٤٥٦", "", 123456, "123456\n"])
def test_the_code_of_a_sandbox_is_a_code(code):
    (fault,) = faults_of(BACKEND=SANDBOXES[0], OPTIONS={"SANDBOX_TOKEN": code})
    assert fault.startswith("OPTIONS.SANDBOX_TOKEN: ")


def test_there_is_no_nexmo():
    line = "BACKEND: there is no Nexmo (Vonage) here: name a class of your own that sends through it"
    assert faults_of(BACKEND=NEXMO, OPTIONS={"KEY": "k", "SECRET": "s"}) == [line]


def test_a_class_of_ones_own():
    """Any other dotted name: messages go through it, and its options are as they were written."""
    own = chosen(BACKEND="shop.sms.Backend", OPTIONS={"Key": [1]})
    assert (own.own_class, own.options, own.sandbox_code) == ("shop.sms.Backend", {"Key": [1]}, "")
    assert as_settings(own) == {"OTP_CHANNELS": "backend"}
    assert own.sid_fault is None


# ---- the server with it


@pytest.fixture
def load(tmp_path):
    """Settings of the start, in a folder of this test."""
    return lambda **environ: startup.load(environ, tmp_path)


def refusals(load, **environ):
    with pytest.raises(startup.BadSettings) as caught:
        load(**environ)
    return caught.value.faults


def test_it_fills_what_is_not_set(load):
    brought = load(PHONE_VERIFICATION=json.dumps(GIVEN))
    assert brought.otp_channels == ("sms",)
    assert brought.of(TwilioSettings) == TwilioSettings(
        twilio_account_sid=ACCOUNT, twilio_auth_token="s3cret", twilio_phone_number="+14755292729"
    )
    mixed = load(PHONE_VERIFICATION=json.dumps(GIVEN), OTP_CHANNELS="console", TWILIO_PHONE_NUMBER="+15005550006")
    twilio = mixed.of(TwilioSettings)
    assert (mixed.otp_channels, twilio.twilio_phone_number) == (("console",), "+15005550006")
    assert twilio.twilio_auth_token == "s3cret"


def test_a_server_does_not_start_with_faults(load):
    """Its one line has them all, as the original names what is missing."""
    text = json.dumps(GIVEN | {"OPTIONS": {}, "TOKEN_LENGTH": 5})
    words = ("TOKEN_LENGTH: write 6 or more", *(f"OPTIONS.{name} is missing" for name in ("SID", "SECRET", "FROM")))
    assert refusals(load, PHONE_VERIFICATION=text) == [f"PHONE_VERIFICATION: {'; '.join(words)}"]


REACH = ({"OTP_API_KEYS": "shop:send:" + "0" * 64}, {"OTP_PUBLIC": "1", "OTP_COUNTRIES": "US"})


@pytest.mark.parametrize("reach", REACH)
def test_a_sandbox_is_for_this_machine_alone(load, reach):
    sandbox = GIVEN | {"BACKEND": SANDBOXES[0]}
    assert load(PHONE_VERIFICATION=json.dumps(sandbox)).of(PhoneSettings).phone_verification.sandbox_code == "123456"
    twilio = {"TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": "s", "TWILIO_PHONE_NUMBER": "+15005550006"}
    (line,) = refusals(load, PHONE_VERIFICATION=json.dumps(sandbox), OTP_CHANNELS="sms", **reach, **twilio)
    assert line.startswith("PHONE_VERIFICATION: ")


def test_the_printed_account_is_none(load):
    """The server says which key it is, and starts with the account of a variable, or with no need for one."""
    assert f"PHONE_VERIFICATION: {parse(PRINTED).sid_fault}" in refusals(load, PHONE_VERIFICATION=PRINTED)
    named = load(PHONE_VERIFICATION=PRINTED, TWILIO_ACCOUNT_SID=ACCOUNT)
    assert named.of(TwilioSettings).twilio_account_sid == ACCOUNT
    assert load(PHONE_VERIFICATION=PRINTED, OTP_CHANNELS="console").otp_channels == ("console",)


def test_the_document_shows_settings_that_work():
    """As they stand there, and with nothing to say of them."""
    (text,) = re.findall(r"```text\n(\{.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    shown = parse(text)
    assert (shown.advice, shown.sid_fault, as_settings(shown)["OTP_CHANNELS"]) == ((), None, "sms")


def test_a_django_projects_settings_send_and_check(server, fake_twilio, tmp_path):
    """The printed example with a real account, in a file of its own: Twilio gets its sender and its words."""
    real = PRINTED.replace("'SID': 'fake'", f"'SID': '{ACCOUNT}'")
    real = real.replace("'SECRET': 'fake'", "'SECRET': 'faketoken1234567'")
    (tmp_path / "settings").write_text(real, encoding="utf-8")
    unset = dict.fromkeys(("OTP_CHANNELS", "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_PHONE_NUMBER"), "")
    running = server(OTP_APIS="phone", PHONE_VERIFICATION_FILE=str(tmp_path / "settings"), **unset)
    phone = next(fresh_numbers())
    token = running.post("/api/phone/register", {"phone_number": phone}).json["session_token"]
    (sent,) = fake_twilio.messages
    (code,) = re.findall(r"Welcome to Phone Verify! Please use security code ([0-9]{6}) to proceed\.", sent.api["body"])
    assert sent.api["from"] == "+14755292729"
    held = {"phone_number": phone, "security_code": code, "session_token": token}
    answers = [running.post("/api/phone/verify", held) for _ in range(2)]  # only once: False
    assert [(answer.status, answer.json) for answer in answers] == [(200, {"message": "Security code is valid."})] * 2


@pytest.mark.parametrize("write", [json.dumps, repr], ids=["JSON", "Python"])
@pytest.mark.parametrize(("first", "second"), [
    ("'TOKEN_LENGTH': 6", "'TOKEN_LENGTH': 8"), ("'SECRET': 's3cret'", "'SECRET': 'other'"),
])  # fmt: skip
def test_a_key_that_stands_twice_is_a_fault(write, first, second):
    """The last one would count without a word, in the dicts within as well."""
    text = write(GIVEN)
    first, second = (part if write is repr else part.replace("'", '"') for part in (first, second))
    assert faults(text.replace(first, f"{first}, {second}")) == [TWICE]


def test_an_option_that_stands_twice_in_other_letters_is_a_fault():
    """As the original reads them, upper and lower case are one key."""
    assert faults(json.dumps(GIVEN | {"OPTIONS": OPTIONS | {"sid": ACCOUNT}})) == [f"OPTIONS: {TWICE}"]
