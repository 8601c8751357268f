"""The API of callbacks, as the server opens it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from otp_app.apis.callbacks import reach, twilio, twilio_inbound
from otp_app.apis.callbacks.state import Callbacks
from otp_app.channels.twilio.receipts import StatusCallbacks
from otp_app.channels.twilio.settings import TwilioSettings
from otp_app.settings import Settings
from otp_app.settings.checks import Words
from otp_app.settings.diagnosis import Diagnosis
from otp_app.settings.weak_secrets import is_guessable
from otp_app.web.api import Api
from otp_app.wiring import Services

GUESSABLE = "it is too short or too regular for a secret, so others could sign as Twilio: write it as Twilio shows it"
WITHOUT_RECEIPTS = {"console", "twilio_verify", "backend"}  # an operator's own channel may have some


class CallbacksApi(Api):
    """What providers call: POST /callbacks/twilio/status/VERIFICATION/SEND, POST /callbacks/twilio/inbound."""

    others: ClassVar = (twilio.bp, twilio_inbound.bp)

    @classmethod
    def faults(cls, settings: Settings) -> list[str]:
        """Return a line for each secret with which others could sign, too."""
        twilio = settings.of(TwilioSettings)
        given = {"TWILIO_AUTH_TOKEN": filter(None, [twilio.twilio_auth_token]),
                 "TWILIO_WEBHOOK_KEYS": twilio.webhook_keys.values()}
        return [f"{name}: {GUESSABLE}" for name, secrets in given.items() if any(map(is_guessable, secrets))]

    @classmethod
    def words(cls, settings: Settings) -> list[Words]:
        """None: it sends no codes."""
        del settings
        return []

    @classmethod
    def advice(cls, settings: Settings) -> list[str]:
        """Return a line where nobody will ever report anything, or a setting does nothing."""
        if settings.otp_inbound_sms and "inbound" not in settings.otp_apis:
            return ["OTP_INBOUND_SMS: it does nothing while OTP_APIS has no inbound"]
        if "inbound" in settings.otp_apis or set(settings.otp_channels) - WITHOUT_RECEIPTS:
            return []
        return ["OTP_PUBLIC_URL: it does nothing here: only the channels sms and whatsapp have receipts"]

    @classmethod
    def examine(cls, settings: Settings) -> Iterator[Diagnosis]:
        """Post to OTP_PUBLIC_URL as Twilio does, as far as that can be seen from this machine."""
        return reach.examine(settings)

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        settings = services.settings
        channels = {"whatsapp", "sms"} if settings.otp_inbound_sms else {"whatsapp"}
        proving = frozenset(channels if "inbound" in settings.otp_apis else ())
        self.state = Callbacks(StatusCallbacks.open(settings), proving)
