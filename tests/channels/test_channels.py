"""The table of channels: names become channels, and what is not set is reported before the first message."""

import subprocess
import sys

import pytest

from otp_app import channels
from otp_app.channels.console import ConsoleChannel
from otp_app.channels.contract import ChannelClass
from otp_app.core.delivery import arrives_at_once, error_page
from otp_app.plugins.loading import load_object
from otp_app.settings.model import fields_of
from otp_app.startup.reader import READER
from tests.channels.messages import ACCOUNT, SANDBOX, SERVICE, TEMPLATE
from tests.configuration import make_settings

KEY = {"twilio_api_key_sid": "SK" + "1" * 32, "twilio_api_key_secret": "s"}
OPEN = {"twilio_account_sid": ACCOUNT, **KEY}
RECEIPTS = {"otp_public_url": "https://otp.example.com"}


class OwnChannel(ConsoleChannel):
    """A channel as an operator may write it: of its class only `open` is called."""

    name = "own"

    @classmethod
    def open(cls, parts):
        return cls()


class Heir(ConsoleChannel):
    """One that keeps the name which it inherits."""


def settings(*names, **given):
    return make_settings(otp_channels=names, **given)


@pytest.mark.parametrize("entry", channels.CHANNELS.values(), ids=channels.CHANNELS)
def test_every_channel_has_all_of_the_contract(entry):
    """A class that lacks a method is found here, not by the first message."""
    found = load_object(entry.channel, "channel")
    assert ChannelClass in found.__mro__
    assert found.__abstractmethods__ == frozenset()


@pytest.mark.parametrize("model", channels.models())
def test_a_provider_has_its_settings_in_its_own_folder(model):
    """And all that begin with its name, so that the server's own model is about no provider."""
    assert model.__module__.startswith("otp_app.channels.")
    assert {field.name for field in READER.fields.values() if field.variable.startswith(model.prefix)} == {
        field.name for field in fields_of(model)
    }


def test_channels_come_in_the_order_of_their_names():
    opened = channels.open_channels(settings("whatsapp", "sms", "console", **OPEN))
    assert [channel.name for channel in opened] == ["whatsapp", "sms", "console"]


def test_sms_and_whatsapp_share_one_client():
    """Both go through one pool of connections, and one rest after a refusal of the credentials."""
    sms, whatsapp = channels.open_channels(settings("sms", "whatsapp", **OPEN))
    assert sms._twilio is whatsapp._twilio


class Odd(OwnChannel):
    """It says of its provider's pages what no page may lead to."""

    error_pages = "javascript:alert(1)//"
    arrives_at_once = 1


class Linked(OwnChannel):
    error_pages = "https://provider.example/errors/"


@pytest.mark.parametrize(("name", "page", "at_once"), [
    ("OwnChannel", "", True), ("Odd", "", False), ("Linked", "https://provider.example/errors/7", True),
])  # fmt: skip
def test_a_class_of_ones_own_may_lead_to_pages_of_its_provider(name, page, at_once):
    """To addresses of the web only, which pages of this server link to."""
    (channel,) = channels.open_channels(settings(f"{__name__}:{name}"))
    assert (error_page([channel], channel.name, 7), arrives_at_once(channel)) == (page, at_once)


def test_a_class_of_ones_own():
    """A name with a colon is an operator's class; it needs neither `faults` nor `advice`."""
    mine = settings(f"{__name__}:OwnChannel")
    assert [channel.name for channel in channels.open_channels(mine)] == ["own"]
    assert channels.faults(mine) == channels.advice(mine) == []


def test_two_channels_of_one_name_are_a_fault():
    """Messages for one would go to the other, and be handed to it again after each refusal, without an end."""
    line = "OTP_CHANNELS: two channels have the name console: omit one, or rename your class"
    assert channels.unopened(settings("console", f"{__name__}:Heir")) == [line]


@pytest.mark.parametrize(("name", "line"), [
    ("fax", "OTP_CHANNELS: a channel is not known: use backend, console, sms, twilio_verify, whatsapp or module:"),
    ("no.such.module:Class", "OTP_CHANNELS: there is no module no: write package.module:Class of a module that"),
    ("json:Class", "OTP_CHANNELS: json has no Class that can be called: name something that it has"),
])  # fmt: skip
def test_a_wrong_name_says_what_to_change(name, line):
    """One line names the setting and what may stand there, at opening and among the faults of start-up."""
    with pytest.raises(ValueError, match="OTP_CHANNELS") as caught:
        channels.open_channels(settings(name))
    assert line in str(caught.value)
    assert channels.faults(settings(name, "console")) == [str(caught.value)]
    assert channels.advice(settings(name)) == []


def test_every_fault_is_listed_at_once():
    """An operator who has set nothing reads of everything, and of the common things once."""
    lines = channels.faults(settings("sms", "whatsapp"))
    assert [line.partition(":")[0] for line in lines] == [
        "TWILIO_ACCOUNT_SID", "TWILIO_API_KEY_SID, TWILIO_API_KEY_SECRET", "TWILIO_PHONE_NUMBER",
        "TWILIO_WHATSAPP_NUMBER",
    ]  # fmt: skip


@pytest.mark.parametrize("half", KEY)
def test_half_an_api_key_is_a_fault(half):
    """An API key without its secret, or the other way round, is not passed over for the auth token."""
    given = {"twilio_account_sid": ACCOUNT, "twilio_auth_token": "t", "twilio_phone_number": "+1", half: KEY[half]}
    assert channels.faults(settings("sms", **given)) == [
        "TWILIO_API_KEY_SID, TWILIO_API_KEY_SECRET: set both, or neither"
    ]


@pytest.mark.parametrize(("name", "given"), [
    ("console", {}), ("sms", {**OPEN, "twilio_phone_number": "+15005550006"}),
    ("sms", {**OPEN, "twilio_messaging_service_sid": SERVICE}),
    ("sms", {"twilio_account_sid": ACCOUNT, "twilio_auth_token": "t", "twilio_phone_number": "+1"}),
    ("whatsapp", {**OPEN, "twilio_whatsapp_number": SANDBOX}),
    ("whatsapp", {**OPEN, "twilio_messaging_service_sid": SERVICE, "twilio_content_sid": TEMPLATE}),
])  # fmt: skip
def test_nothing_is_missing(name, given):
    assert channels.faults(settings(name, **given)) == []


@pytest.mark.parametrize("given", [{"twilio_messaging_service_sid": SERVICE}, {"twilio_content_sid": TEMPLATE}])
def test_whatsapp_needs_a_number_or_a_service_with_a_template(given):
    """A messaging service alone, or a template alone, is not enough."""
    assert len(channels.faults(settings("whatsapp", **OPEN, **given))) == 1


@pytest.mark.parametrize(("number", "template", "warned"), [
    ("+14155238886", "", False), (SANDBOX, "", False), ("+15005550006", TEMPLATE, False), ("+15005550006", "", True),
])  # fmt: skip
def test_free_text_outside_the_sandbox_is_warned_of(number, template, warned):
    """WhatsApp refuses free text outside the 24-hour window (63016), so a sender of one's own needs a template."""
    lines = channels.advice(
        settings("whatsapp", **OPEN, **RECEIPTS, twilio_whatsapp_number=number, twilio_content_sid=template)
    )
    assert [("63016" in line, line.partition(":")[0]) for line in lines] == [(True, "TWILIO_CONTENT_SID")] * warned


def test_an_auth_token_for_sending_is_warned_of_once():
    """The token opens the whole account; with an API key there is nothing to say."""
    token = {"twilio_account_sid": ACCOUNT, "twilio_auth_token": "t", "twilio_whatsapp_number": SANDBOX} | RECEIPTS
    assert [line.partition(":")[0] for line in channels.advice(settings("sms", "whatsapp", **token))] == [
        "TWILIO_AUTH_TOKEN"
    ]
    assert "keep it for receipts" in channels.advice(settings("sms", **token))[0]
    assert channels.advice(settings("sms", "whatsapp", **token, **KEY)) == []


@pytest.mark.parametrize(("url", "warned"), [
    ("http://127.0.0.1:1", False), ("http://[::1]", False), ("https://twilio", False), ("http://twilio:80", True),
])  # fmt: skip
def test_a_stand_in_to_which_secrets_go_in_plain_text_is_warned_of(url, warned):
    given = {"twilio_account_sid": ACCOUNT, "twilio_auth_token": "t", "twilio_phone_number": "+15005550006"} | RECEIPTS
    lines = channels.advice(settings("sms", **given, **KEY, twilio_api_base_url=url))
    assert [line.partition(":")[0] for line in lines] == ["TWILIO_API_BASE_URL"] * warned


def test_without_receipts_nobody_learns_what_did_not_arrive():
    """They are advised once, and where they are asked for they need the token, which signs them."""
    senders = {"twilio_whatsapp_number": SANDBOX, "twilio_phone_number": "+15005550006"}
    key = {"twilio_account_sid": ACCOUNT} | senders | KEY
    (line,) = channels.advice(settings("sms", "whatsapp", **key))
    assert line.startswith("OTP_PUBLIC_URL: without it the server does not learn")
    (fault,) = channels.faults(settings("sms", "whatsapp", **key, **RECEIPTS))
    assert fault.startswith("TWILIO_AUTH_TOKEN: Twilio signs receipts")
    assert channels.faults(settings("sms", "whatsapp", **key, **RECEIPTS, twilio_auth_token="t")) == []


def test_a_console_server_never_loads_twilio():
    """Who does not send through Twilio does not pay for what that takes."""
    program = (
        "import sys; from types import SimpleNamespace; from otp_app import channels;"
        "s = SimpleNamespace(otp_channels=('console',), apis={});"
        "channels.faults(s), channels.advice(s), channels.open_channels(s);"
        "sys.exit('twilio' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_messages_do_not_load_twilios_sdk():
    """Its resources, and the package requests under them, take 12 MiB; only Twilio Verify needs them."""
    program = (
        "import sys; from otp_app.channels.twilio import sms, whatsapp, receipts;"
        "sys.exit(bool({'twilio.rest', 'twilio.http', 'requests'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
