"""Messages that people write to a sender at Twilio: what a webhook says of one, and the answer to it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from xml.sax.saxutils import escape

from otp_app.core.inbound_transitions import Incoming
from otp_app.core.ledger import LONGEST_PROVIDER_ID

WHATSAPP = "whatsapp:"
_NUMBER = re.compile(r"\+[0-9]{3,15}")  # as Twilio writes it; which numbers are served is a rule of the core
#: what Twilio, which answers them itself, takes for a wish where nothing else is in a message
_STOPS = {"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"}
_STARTS = {"START", "YES", "UNSTOP"}
_HELPS = {"HELP", "INFO"}


class Wish(StrEnum):
    """What somebody asks for by a word that Twilio has a meaning for; the values are those of OptOutType."""

    STOP = "STOP"
    START = "START"
    HELP = "HELP"


def incoming(fields: Mapping[str, str]) -> Incoming | None:
    """Return the message; None where it is from a program (an SMS from a name or a short code), by another channel than
    SMS and WhatsApp, or without an id of Twilio's.

    A sender of WhatsApp's may have an id instead of a number: `whatsapp:US.13491208655302741918`.
    """  # fmt: skip
    sender, body = fields.get("From", ""), fields.get("Body", "")
    sid = fields.get("MessageSid") or fields.get("SmsMessageSid") or fields.get("SmsSid", "")
    number = sender.removeprefix(WHATSAPP)
    channel = "whatsapp" if number != sender else "sms"
    number = number if _NUMBER.fullmatch(number) else ""
    if not sid or (channel == "sms" and not number):
        return None
    return Incoming(channel, sender, number, sid[:LONGEST_PROVIDER_ID], body)


def wish(fields: Mapping[str, str]) -> Wish | None:
    """Return what the sender of a message asks for: as Twilio says, or by the only word in it."""
    said, word = fields.get("OptOutType", ""), fields.get("Body", "").strip().upper()
    if said in set(Wish):
        return Wish(said)
    words = {Wish.STOP: _STOPS, Wish.START: _STARTS, Wish.HELP: _HELPS}
    return next((meaning for meaning, known in words.items() if word in known), None)


def twiml(reply: str) -> str:
    """Return the answer to a webhook that sends this text back; "" sends nothing."""
    message = f"<Message>{escape(reply)}</Message>" if reply else ""
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{message}</Response>'
