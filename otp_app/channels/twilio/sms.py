"""Text messages through Twilio."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from otp_app.channels.contract import ChannelClass, Parts
from otp_app.channels.twilio import errors
from otp_app.channels.twilio.account import Account, examined
from otp_app.channels.twilio.client import (
    TwilioClient,
    credential_advice,
    credential_faults,
    receipt_advice,
    receipt_faults,
)
from otp_app.channels.twilio.settings import TwilioSettings
from otp_app.core.delivery import Delivery, Explains, Explanation, Message
from otp_app.settings.diagnosis import Diagnosis

if TYPE_CHECKING:
    from otp_app.settings import Settings


class SmsChannel(ChannelClass, Explains):
    """Sends from a messaging service, which chooses the sender, or where there is none from one number."""

    name = "sms"
    reports_arrival = True
    error_pages = errors.PAGE
    landlines = False

    def __init__(self, twilio: TwilioClient, number: str, messaging_service: str) -> None:
        self._twilio = twilio
        self._sender = {"MessagingServiceSid": messaging_service} if messaging_service else {"From": number}

    @classmethod
    def open(cls, parts: Parts) -> SmsChannel:
        """Return the channel that the settings describe."""
        own = parts.settings.of(TwilioSettings)
        return cls(parts.shared(TwilioClient.open), own.twilio_phone_number, own.twilio_messaging_service_sid)

    @classmethod
    def faults(cls, settings: Settings) -> list[str]:
        """Return a line for everything that has to be set before a text message can be sent."""
        own = settings.of(TwilioSettings)
        sender = own.twilio_phone_number or own.twilio_messaging_service_sid
        line = "TWILIO_PHONE_NUMBER: channel sms sends from it, or from TWILIO_MESSAGING_SERVICE_SID"
        return credential_faults(own) + receipt_faults(settings) + ([] if sender else [line])

    @classmethod
    def advice(cls, settings: Settings) -> list[str]:
        """Return a line for everything that works, but could be safer."""
        return credential_advice(settings) + receipt_advice(settings)

    @classmethod
    def examine(cls, parts: Parts) -> Iterator[Diagnosis]:
        """Ask Twilio about the account, and about the sender of text messages."""
        account, own = parts.shared(Account.open), parts.settings.of(TwilioSettings)
        yield from account.diagnoses
        if not account.answers:
            return
        if sid := own.twilio_messaging_service_sid:
            yield from examined("TWILIO_MESSAGING_SERVICE_SID", lambda: account.messaging_service(sid, "sms"))
        else:
            yield from examined("TWILIO_PHONE_NUMBER", lambda: account.number(own.twilio_phone_number))
        yield account.destinations(parts.settings.otp_countries)

    def deliver(self, message: Message) -> Delivery:
        """Hand the message to Twilio."""
        return self._twilio.send(message, {"To": message.to, "Body": message.text, **self._sender})

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
