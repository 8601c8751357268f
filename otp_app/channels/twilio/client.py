"""The Twilio client that all channels through Twilio share."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from otp_app.channels.twilio import outcomes
from otp_app.channels.twilio.answers import TransportError
from otp_app.channels.twilio.messages import Messages
from otp_app.channels.twilio.settings import STATUS_PATH, TwilioSettings
from otp_app.channels.twilio.transport import Transport
from otp_app.connections import tls
from otp_app.core.delivery import Delivery, Finding, Message, Outcome, Reason
from otp_app.core.errors import ChannelDown
from otp_app.settings.exposure import is_loopback

if TYPE_CHECKING:
    from otp_app.settings import Settings

AUTH_PAUSE = 60.0  # seconds without requests after Twilio refused our credentials
MAX_VALIDITY = 36000  # seconds; the most that Twilio takes for ValidityPeriod, and its default

_log = logging.getLogger(__name__)


class TwilioClient:
    """Hands messages to Twilio and reads the outcomes; after a refusal of our credentials it pauses for a minute.

    Without that pause a wrong token would make every send wait for the same refusal.
    """

    def __init__(
        self,
        own: TwilioSettings,
        transport: Transport,
        clock: Callable[[], float] = time.monotonic,
        public_url: str = "",
    ) -> None:
        self._own, self.messages = own, Messages(own, transport)
        self._callback = f"{public_url}{STATUS_PATH}" if public_url else ""
        self._transport, self._clock = transport, clock
        self._paused_until = clock()

    @classmethod
    def open(cls, settings: Settings) -> TwilioClient:
        """Return a client for the account of the settings. It connects when the first message is sent."""
        own = settings.of(TwilioSettings)
        transport = Transport(own.twilio_timeout, settings.otp_threads)
        return cls(own, transport, public_url=settings.otp_public_url)

    def send(self, message: Message, fields: Mapping[str, object]) -> Delivery:
        """Hand one message over, which Twilio drops at the end of its life and reports on where that is set up.

        `fields` are its other parameters, as Twilio names them. Never raises.
        """
        form = {**fields, "ValidityPeriod": min(max(int(message.ttl), 1), MAX_VALIDITY)}
        if self._callback:
            form["StatusCallback"] = f"{self._callback}/{message.verification_id}/{message.send_id}"
        return self.deliver(lambda: self.messages.create(form))

    def deliver(self, create: Callable[[], Delivery]) -> Delivery:
        """Return the delivery that a request makes; never raises."""
        if pause := self._pause():
            return Delivery(Outcome.REFUSED, reason=Reason.AUTH, retry_after=pause)
        try:
            delivery = create()
        except Exception as error:  # noqa: BLE001  an answer that cannot be read may raise nearly anything
            return self._failed(error, "a message")
        if delivery.reason is Reason.ACCOUNT:
            _log.warning("Twilio refused a message: %s", outcomes.explain(delivery.provider_code))
        return delivery

    def ask(self, question: Callable[[], Finding]) -> Finding:
        """Return what a request finds of a verification; never raises."""
        if self._pause():
            return Finding.NOT_ASKED
        try:
            return question()
        except Exception as error:  # noqa: BLE001  as above
            finding = outcomes.of_failed_check(error)
            if finding in (Finding.NOT_ASKED, Finding.UNKNOWN):
                self._failed(error, "a check")
            return finding

    def verify_service(self, sid: str, base_url: str) -> Any:
        """Return the SDK's resource of a Verify service. The SDK is loaded only by this."""
        from otp_app.channels.twilio.sdk import connect_sdk

        verify = connect_sdk(self._own, self._transport).verify
        verify.base_url = base_url or verify.base_url
        return verify.v2.services(sid)

    def ping(self) -> None:
        """Raise ChannelDown during the pause."""
        if pause := self._pause():
            raise ChannelDown("Twilio does not accept the configured credentials", pause)

    def close(self) -> None:
        """Close the connections. May be called by each channel that shares this client."""
        self._transport.close()

    def _pause(self) -> float:
        return max(self._paused_until - self._clock(), 0.0)

    def _failed(self, error: Exception, what: str) -> Delivery:
        """Return the delivery of an exception, with one line for the operator where it is not the recipient's."""
        delivery = outcomes.of_error(error)
        if delivery.reason is Reason.AUTH:
            self._paused_until = self._clock() + AUTH_PAUSE
            code = delivery.provider_code
            delivery = Delivery(delivery.outcome, reason=Reason.AUTH, provider_code=code, retry_after=AUTH_PAUSE)
        if isinstance(error, TransportError):
            _log.warning("%s", error)
        elif delivery.outcome is Outcome.UNKNOWN:
            _log.warning("No clear answer from Twilio: %s", type(error).__name__)
        elif delivery.reason in (Reason.AUTH, Reason.ACCOUNT):
            _log.warning("Twilio refused %s: %s", what, outcomes.explain(delivery.provider_code))
        return delivery


def credential_faults(own: TwilioSettings) -> list[str]:
    """Return a line for each setting of account and credentials that is missing, and for certificates that are."""
    lines = [] if own.twilio_account_sid else ["TWILIO_ACCOUNT_SID: nothing is sent through Twilio without it"]
    lines += [line] if (line := tls.fault()) else []
    if bool(own.twilio_api_key_sid) != bool(own.twilio_api_key_secret):
        lines.append("TWILIO_API_KEY_SID, TWILIO_API_KEY_SECRET: set both, or neither")
    elif not own.twilio_api_key_sid and not own.twilio_auth_token:
        lines.append("TWILIO_API_KEY_SID, TWILIO_API_KEY_SECRET: set both, or TWILIO_AUTH_TOKEN")
    return lines


def receipt_faults(settings: Settings) -> list[str]:
    """Return a line where receipts are wanted and could not be told from forged ones."""
    if not settings.otp_public_url or settings.of(TwilioSettings).twilio_auth_token:
        return []
    return ["TWILIO_AUTH_TOKEN: Twilio signs receipts (OTP_PUBLIC_URL) with it, even if an API key sends"]


def receipt_advice(settings: Settings) -> list[str]:
    """Return a line where Twilio is not asked for receipts."""
    if settings.otp_public_url:
        return []
    return [
        "OTP_PUBLIC_URL: without it the server does not learn whether messages arrive; see docs/delivery.md"
    ]


def credential_advice(settings: Settings) -> list[str]:
    """Return a line where messages are sent with a token that may do more than send, or with a secret in plain text."""
    own = settings.of(TwilioSettings)
    lines, base = [], urlsplit(own.twilio_api_base_url)
    if base.scheme == "http" and not is_loopback(base.hostname or ""):
        lines.append("TWILIO_API_BASE_URL: http:// shows the network Twilio's secret, numbers and codes: write https://")
    if own.twilio_auth_token and not own.twilio_api_key_sid:
        token = "keep it for receipts (OTP_PUBLIC_URL) and " if settings.otp_public_url else ""
        line = f"TWILIO_AUTH_TOKEN: it opens the whole account: {token}send with an API key, which can be revoked"
        lines.append(f"{line} (TWILIO_API_KEY_SID, TWILIO_API_KEY_SECRET)")
    return lines
