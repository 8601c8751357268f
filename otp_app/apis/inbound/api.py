"""The API of proofs by writing to us, as the server opens it."""

from __future__ import annotations

from typing import ClassVar

from otp_app.apis.inbound import views
from otp_app.apis.inbound.state import Addresses
from otp_app.channels.twilio.inbound import WHATSAPP
from otp_app.channels.twilio.settings import TwilioSettings
from otp_app.core.phone import is_e164
from otp_app.settings import Settings
from otp_app.settings.checks import Words
from otp_app.web.api import Api
from otp_app.wiring import Services


class InboundApi(Api):
    """POST /verifications/inbound. The message itself comes to POST /callbacks/twilio/inbound."""

    sends: ClassVar = (views.sends,)

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        settings, twilio = services.settings, services.settings.of(TwilioSettings)
        self.state = Addresses(
            app=settings.otp_app_name,
            whatsapp=twilio.twilio_whatsapp_number.removeprefix(WHATSAPP),
            sms=twilio.twilio_phone_number if settings.otp_inbound_sms else "",
        )

    @classmethod
    def words(cls, settings: Settings) -> list[Words]:
        """None: it sends no codes."""
        del settings
        return []

    @classmethod
    def faults(cls, settings: Settings) -> list[str]:
        """People must have a number to write to, and Twilio an address at which it brings what they wrote."""
        twilio = settings.of(TwilioSettings)
        lines = []
        if not settings.otp_public_url:
            lines.append("OTP_PUBLIC_URL: the API inbound needs it: Twilio posts the users' messages there")
        if not (twilio.twilio_auth_token or twilio.twilio_webhook_keys):
            lines.append("TWILIO_AUTH_TOKEN: the API inbound needs it: Twilio signs the users' messages with it")
        if not twilio.twilio_whatsapp_number:
            lines.append(
                "TWILIO_WHATSAPP_NUMBER: the API inbound needs the number that people write to, which a messaging "
                "service does not have"
            )
        if settings.otp_inbound_sms and not is_e164(twilio.twilio_phone_number):
            lines.append("TWILIO_PHONE_NUMBER: OTP_INBOUND_SMS=1 needs a number that people can write to, such as +1…")
        return lines
