"""Twilio Verify: Twilio makes, sends and checks the codes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from otp_app.channels.contract import ChannelClass, Parts
from otp_app.channels.twilio import outcomes
from otp_app.channels.twilio.account import Account, examined
from otp_app.channels.twilio.client import TwilioClient, credential_advice, credential_faults
from otp_app.channels.twilio.settings import TwilioSettings
from otp_app.core.delivery import Channel, CodeChecker, Delivery, Finding, Maker, Message
from otp_app.core.texts import best_tag
from otp_app.settings.diagnosis import Diagnosis

if TYPE_CHECKING:
    from otp_app.settings import Settings

PROVIDER = "twilio_verify"
#: Twilio's channels under its own names: whether a fixed line can receive on them
LANDLINES = {"sms": False, "whatsapp": True, "call": True}
#: From twilio.com/docs/verify/supported-languages. Another one is refused (404); without one Twilio goes by the number.
TAGS = (
    *("af", "ar", "ca", "cs", "da", "de", "el", "en", "en-GB", "es", "et", "fi", "fr", "he", "hi", "hr", "hu", "id"),
    *("it", "ja", "kn", "ko", "lt", "mr", "ms", "nb", "nl", "pl", "pt", "pt-BR", "ro", "ru", "sk", "sv", "te", "th"),
    *("tl", "tr", "uk", "vi", "zh", "zh-CN", "zh-HK"),
)
LANGUAGES = {tag.lower(): tag for tag in TAGS}


class VerifyChannel(ChannelClass, CodeChecker):
    """Has a Verify service send one of its codes by text message, or where a request says so by WhatsApp or a call."""

    name = "sms"
    landlines = False

    def __init__(self, twilio: TwilioClient, service: Any, maker: Maker, name: str = "sms") -> None:
        self._twilio, self._service, self.maker = twilio, service, maker
        self.name, self.landlines, self.by_request = name, LANDLINES[name], name != "sms"

    @classmethod
    def open(cls, parts: Parts, name: str = "sms") -> VerifyChannel:
        """Return the channel that the settings describe."""
        own, twilio = parts.settings.of(TwilioSettings), parts.shared(TwilioClient.open)
        service = twilio.verify_service(own.verify_service, own.twilio_api_base_url)
        return cls(twilio, service, Maker(PROVIDER, parts.settings.otp_code_length), name)

    @classmethod
    def by_name(cls, parts: Parts) -> tuple[Channel, ...]:
        """Return Twilio's other channels."""
        return tuple(cls.open(parts, name) for name in LANDLINES if name != "sms")

    @classmethod
    def faults(cls, settings: Settings) -> list[str]:
        """Return a line for everything that has to be set before Twilio can send a code."""
        own = settings.of(TwilioSettings)
        line = "TWILIO_VERIFICATION_SERVICE_SID: channel twilio_verify needs the Verify service that makes the codes"
        return credential_faults(own) + ([] if own.verify_service else [line])

    @classmethod
    def advice(cls, settings: Settings) -> list[str]:
        """Return a line for everything that works, but could be safer."""
        return credential_advice(settings)

    @classmethod
    def examine(cls, parts: Parts) -> Iterator[Diagnosis]:
        """Ask Twilio about the account, and about the Verify service."""
        account, sid = parts.shared(Account.open), parts.settings.of(TwilioSettings).verify_service
        yield from account.diagnoses
        if account.answers:
            digits = parts.settings.otp_code_length
            yield from examined("TWILIO_VERIFICATION_SERVICE_SID", lambda: account.verify_service(sid, digits))

    def deliver(self, message: Message) -> Delivery:
        """Start a verification at Twilio, or have the code of the pending one sent again."""
        start, asked = self._service.verifications.create, {"to": message.to, "channel": self.name}
        if tag := best_tag(message.locale, LANGUAGES):
            asked["locale"] = LANGUAGES[tag]
        if message.app_hash and self.name == "sms":
            asked["app_hash"] = message.app_hash
        return self._twilio.deliver(lambda: outcomes.of_verification(start(**asked)))

    def check(self, name: str, attempt: str) -> Finding:
        """Ask Twilio whether this is the code."""
        target, ask = "verification_sid" if name.startswith("VE") else "to", self._service.verification_checks.create
        return self._twilio.ask(lambda: outcomes.of_check(ask(code=attempt, **{target: name})))

    def end(self, name: str, *, approved: bool) -> bool:
        """End the pending verification at Twilio."""
        pending, status = self._service.verifications(name), "approved" if approved else "canceled"
        found = self._twilio.ask(lambda: outcomes.of_check(pending.update(status=status)))
        return found in (Finding.RIGHT, Finding.GONE)

    def ping(self) -> None:
        """Raise ChannelDown while Twilio does not accept our credentials."""
        self._twilio.ping()

    def close(self) -> None:
        """Close the connections to Twilio."""
        self._twilio.close()
