"""What holds for every channel, whatever it sends through."""

import pytest
from msgspec.structs import replace

from otp_app.core.delivery import Delivery, Outcome
from tests.channels.messages import CODE, RECIPIENT, SERVICE, TEMPLATE, message

TWILIO = ("sms", "whatsapp")
WAYS = {
    "console": ("console", {}), "sms from a number": ("sms", {}),
    "sms from a service": ("sms", {"twilio_messaging_service_sid": SERVICE}), "whatsapp text": ("whatsapp", {}),
    "whatsapp template": ("whatsapp", {"twilio_content_sid": TEMPLATE}),
}  # fmt: skip


@pytest.fixture(params=WAYS)
def way(request):
    return WAYS[request.param]


@pytest.fixture
def channel(way, open_channel):
    name, given = way
    return open_channel(name, **given)


def test_name_is_what_callers_say(channel, way):
    assert channel.name == way[0]


def test_only_whatsapp_reaches_landlines(channel):
    """A fixed line can have WhatsApp, and gets no text messages."""
    assert channel.landlines is (channel.name == "whatsapp")


def test_deliver_hands_one_message_over(channel, twilio):
    """A good message is sent, under an id that the provider gave, and exactly once."""
    delivery = channel.deliver(message())
    assert isinstance(delivery, Delivery)
    assert delivery.outcome is Outcome.SENT
    assert delivery.reason is None
    assert [sent.api["sid"] for sent in twilio.messages] == [delivery.provider_id] * (channel.name in TWILIO)


def test_ids_differ(channel):
    first, second = (channel.deliver(replace(message(), send_id="VL" + digit * 32)) for digit in "12")
    assert first.provider_id != second.provider_id


def test_a_channel_is_up_before_and_after_use(channel):
    """Nothing is known against a fresh channel, nor after it worked."""
    channel.ping()
    channel.deliver(message())
    channel.ping()


def test_close_may_be_repeated(channel):
    """Channels share what they close, so closing what is closed is harmless."""
    channel.deliver(message())
    channel.close()
    channel.close()


def test_the_message_arrives(channel, twilio, capsys):
    channel.deliver(message())
    console = f"console: to {RECIPIENT}: Your OTP is: {CODE}\n" if channel.name == "console" else ""
    assert capsys.readouterr().out == console
    assert twilio.code_for(RECIPIENT) == (CODE if channel.name in TWILIO else None)
