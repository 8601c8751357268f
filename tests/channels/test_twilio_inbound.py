"""What Twilio says of a message that somebody wrote, and how it is answered."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from otp_app.channels.twilio.inbound import Wish, incoming, twiml, wish
from otp_app.core.inbound_transitions import Incoming
from tests.twilio.webhooks import inbound_form

NUMBER = "+14155552671"


@pytest.mark.parametrize(("sender", "channel", "number"), [
    (f"whatsapp:{NUMBER}", "whatsapp", NUMBER), (NUMBER, "sms", NUMBER),
    ("whatsapp:US.13491208655302741918", "whatsapp", ""), ("whatsapp:US.ENT.11815799212886844830", "whatsapp", ""),
    ("whatsapp:", "whatsapp", ""), ("whatsapp:14155552671", "whatsapp", ""), ("whatsapp:+1415555267x", "whatsapp", ""),
    (f"whatsapp:{NUMBER}\n", "whatsapp", ""), (f"whatsapp:whatsapp:{NUMBER}", "whatsapp", ""),
])  # fmt: skip
def test_the_address_of_the_sender_says_the_channel_and_the_number(sender: str, channel: str, number: str) -> None:
    """A number only where Twilio writes one: nothing else is taken for it."""
    form = inbound_form(sender, "+15005550006", "hi")
    assert incoming(form) == Incoming(channel, sender, number, form["MessageSid"], "hi")


@pytest.mark.parametrize("sender", [
    "", "12345", "BANK", f"rcs:{NUMBER}", "messenger:1", "client:ann", "WHATSAPP:+1415",
])  # fmt: skip
def test_programs_and_other_channels_are_left_alone(sender: str) -> None:
    assert incoming(inbound_form(sender, "+15005550006", "hi")) is None


@pytest.mark.parametrize(("fields", "sid"), [
    ({"MessageSid": "SM1", "SmsSid": "SM2"}, "SM1"), ({"SmsMessageSid": "SM3"}, "SM3"), ({"SmsSid": "SM2"}, "SM2"),
    ({"MessageSid": "x" * 99}, "x" * 64), ({}, None), ({"MessageSid": ""}, None),
])  # fmt: skip
def test_a_message_needs_an_id_of_twilios(fields: dict[str, str], sid: str | None) -> None:
    """Without one nobody could tell that it comes again."""
    found = incoming({"From": NUMBER} | fields)
    assert (found.message_id if found else None) == sid


@pytest.mark.parametrize(("body", "said", "meaning"), [
    ("Stop", "", Wish.STOP), ("\u00a0unstop ", "", Wish.START), ("info", "", Wish.HELP), ("stop it", "", None),
    ("arr\u00eat", "STOP", Wish.STOP), ("hi", "start", None), ("STOP", "LATER", Wish.STOP), ("", "", None),
    ("START", "HELP", Wish.HELP),
])  # fmt: skip
def test_a_wish_is_what_twilio_says_or_the_only_word(body: str, said: str, meaning: Wish | None) -> None:
    assert wish({"Body": body, "OptOutType": said}) == meaning


def test_a_reply_is_one_message_and_no_reply_is_none() -> None:
    """Whatever is in it."""
    (message,) = ET.fromstring(twiml("<b>&\u00e9</b>"))
    assert (message.tag, message.text) == ("Message", "<b>&\u00e9</b>")
    assert list(ET.fromstring(twiml(""))) == []
