"""WhatsApp messages through Twilio."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from otp_app.channels.contract import ChannelClass, Parts
from otp_app.channels.twilio import errors
from otp_app.channels.twilio.account import SENDERS, Account, examined
from otp_app.channels.twilio.client import (
    TwilioClient,
    credential_advice,
    credential_faults,
    receipt_advice,
    receipt_faults,
)
from otp_app.channels.twilio.settings import TwilioSettings
from otp_app.channels.twilio.template import template, used_template
from otp_app.core.delivery import Delivery, Explains, Explanation, Message
from otp_app.settings.diagnosis import Diagnosis, State

if TYPE_CHECKING:
    from otp_app.settings import Settings

SANDBOX = "+14155238886"  # Twilio's own sender, for recipients who joined its sandbox


class WhatsAppChannel(ChannelClass, Explains):
    """Sends an approved template whose one variable is the code, or where none is configured the text itself.

    WhatsApp takes a text only within 24 hours of the recipient's own last message, the sandbox included.
    """

    name = "whatsapp"
    reports_arrival = True
    error_pages = errors.PAGE
    takes_templates = True
    landlines = True

    def __init__(self, twilio: TwilioClient, number: str, messaging_service: str, template: str) -> None:
        self._twilio, self._template = twilio, template
        self._sender = {"From": _address(number)} if number else {"MessagingServiceSid": messaging_service}

    @classmethod
    def open(cls, parts: Parts) -> WhatsAppChannel:
        """Return the channel that the settings describe."""
        own = parts.settings.of(TwilioSettings)
        service, template = own.twilio_messaging_service_sid, own.twilio_content_sid
        return cls(parts.shared(TwilioClient.open), own.twilio_whatsapp_number, service, template)

    @classmethod
    def faults(cls, settings: Settings) -> list[str]:
        """Return a line for everything that has to be set before a WhatsApp message can be sent."""
        own = settings.of(TwilioSettings)
        pool = own.twilio_messaging_service_sid and own.twilio_content_sid
        line = (
            "TWILIO_WHATSAPP_NUMBER: channel whatsapp sends from it, or from TWILIO_MESSAGING_SERVICE_SID with "
            "TWILIO_CONTENT_SID"
        )
        lines = credential_faults(own) + receipt_faults(settings)
        return lines if own.twilio_whatsapp_number or pool else [*lines, line]

    @classmethod
    def advice(cls, settings: Settings) -> list[str]:
        """Return a line for everything that works only in part, or could be safer."""
        own = settings.of(TwilioSettings)
        lines, number = credential_advice(settings) + receipt_advice(settings), own.twilio_whatsapp_number
        if number and not own.twilio_content_sid and _address(number) != _address(SANDBOX):
            lines.append(
                "TWILIO_CONTENT_SID: without an approved template WhatsApp refuses messages with error 63016, except "
                "within 24 hours of the recipient's own last message"
            )
        return lines

    @classmethod
    def examine(cls, parts: Parts) -> Iterator[Diagnosis]:
        """Ask Twilio about the account, the WhatsApp sender, and the templates of codes and of other messages."""
        account, own = parts.shared(Account.open), parts.settings.of(TwilioSettings)
        yield from account.diagnoses
        if not account.answers:
            return
        number, service = own.twilio_whatsapp_number, own.twilio_messaging_service_sid
        if number and _address(number) == _address(SANDBOX):
            why = "this is Twilio's sandbox: it sends to phones that joined it in the last three days alone"
            yield Diagnosis("TWILIO_WHATSAPP_NUMBER", State.ADVICE, why, f"register a sender of your own: {SENDERS}")
        elif number:
            yield from examined("TWILIO_WHATSAPP_NUMBER", lambda: account.whatsapp_sender(_address(number)))
        else:
            yield from examined("TWILIO_MESSAGING_SERVICE_SID", lambda: account.messaging_service(service, "whatsapp"))
        if sid := own.twilio_content_sid:
            yield from examined("TWILIO_CONTENT_SID", lambda: template(account, sid, parts.settings.otp_ttl))
        for used in parts.templates:
            yield from examined(used.about, partial(used_template, account, used))

    def deliver(self, message: Message) -> Delivery:
        """Hand the message to Twilio."""
        content = {"Body": message.text}
        if message.content:
            content = {"ContentSid": message.content.sid}
            if message.content.variables:
                content["ContentVariables"] = json.dumps(dict(message.content.variables))
        elif self._template and message.code:
            content = {"ContentSid": self._template, "ContentVariables": json.dumps({"1": message.code})}
        return self._twilio.send(message, {"To": _address(message.to), **content, **self._sender})

    @staticmethod
    def explain(provider_code: int) -> Explanation:
        """Return what an error number of Twilio means."""
        return errors.meaning(provider_code)

    def ping(self) -> None:
        """Raise ChannelDown while Twilio does not accept our credentials."""
        self._twilio.ping()

    def close(self) -> None:
        """Close the connections to Twilio."""
        self._twilio.close()


def _address(number: str) -> str:
    return f"whatsapp:{number.removeprefix('whatsapp:')}"
