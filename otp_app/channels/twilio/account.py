"""What Twilio says of the account and its senders, for `doctor`: everything is asked, nothing is changed.

Paths and fields are those of Twilio's OpenAPI documents (api_v2010, messaging_v1, messaging_v2, verify_v2).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from email.utils import parsedate_to_datetime
from functools import cached_property
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from twilio.base.exceptions import TwilioException, TwilioRestException  # type: ignore[import-untyped]

from otp_app.channels.twilio.answers import TransportError
from otp_app.channels.twilio.messages import TWILIO
from otp_app.channels.twilio.settings import TwilioSettings
from otp_app.channels.twilio.transport import Transport
from otp_app.connections.probe import Unreachable, ask
from otp_app.settings.diagnosis import Diagnosis, State

if TYPE_CHECKING:
    from otp_app.settings import Settings

CONSOLE = "https://console.twilio.com"
SENDERS = f"{CONSOLE}/us1/develop/sms/senders/whatsapp-senders"
NO_RIGHT = (401, 403)
MOST_SENDERS = 1000  # of which one is looked for
MOST_AHEAD = 30  # seconds between two clocks, the way of an answer included
GEO = f"{CONSOLE}/us1/develop/sms/settings/geo-permissions"
PAGE_SIZE = 20  # an answer has at most 64 KiB, and a WhatsApp sender about two

Look = Callable[[], Iterable[Diagnosis]]


class Account:
    """The account of the settings, as its owner's API shows it. Twilio's SDK is loaded by the first question."""

    def __init__(self, own: TwilioSettings, transport: Transport) -> None:
        self._own, self._transport = own, transport

    @classmethod
    def open(cls, settings: Settings) -> Account:
        """Return the account of the settings."""
        own = settings.of(TwilioSettings)
        return cls(own, Transport(own.twilio_timeout, 1))

    @cached_property
    def api(self) -> Any:
        """Twilio's SDK with the credentials that send."""
        return self._client(*self._own.credentials)

    def _client(self, user: str, secret: str) -> Any:
        from otp_app.channels.twilio.sdk import connect_sdk

        own = self._own
        client = connect_sdk(own, self._transport, (user, secret))
        for product in ("api", "content", "messaging", "verify"):
            part = getattr(client, product)
            part.base_url = own.twilio_api_base_url or part.base_url
        return client

    @cached_property
    def diagnoses(self) -> list[Diagnosis]:
        """Whether the clocks agree, the credentials are accepted, and the account is active."""
        found = [*self._clock(), *examined("Twilio credentials", self._credentials)]
        if any(each.about == "Twilio credentials" and each.state == State.FAULT for each in found):
            about, why = "Twilio senders and templates", "Twilio shows them only to credentials that it has accepted"
            found.append(Diagnosis(about, State.NOT_CHECKED, why, "fix the credentials first"))
        return found

    @property
    def answers(self) -> bool:
        """Whether Twilio accepts the credentials: other questions would only repeat the refusal."""
        return not any(found.about == "Twilio credentials" and found.state == State.FAULT for found in self.diagnoses)

    def _clock(self) -> Iterator[Diagnosis]:
        """Compare this machine's clock with the Date of an answer (RFC 9110), which has whole seconds."""
        try:
            date = ask("GET", f"{self._own.twilio_api_base_url or TWILIO}/").headers["Date"]
            ahead = time.time() - parsedate_to_datetime(date).timestamp()
        except (Unreachable, TypeError, ValueError) as error:
            why = f"Twilio's clock could not be read ({type(error).__name__}: {error})"
            yield Diagnosis("Clock", State.NOT_CHECKED, why, "compare it by hand: timedatectl")
            return
        if abs(ahead) > MOST_AHEAD:
            why = f"it is {abs(ahead):.0f} seconds {'ahead of' if ahead > 0 else 'behind'} Twilio's"
            yield Diagnosis("Clock", State.FAULT, why, "let it be set over the network: timedatectl set-ntp true")
        else:
            yield Diagnosis("Clock", State.OK, "it agrees with Twilio's")

    def _credentials(self) -> Iterator[Diagnosis]:
        about, own = "Twilio credentials", self._own
        names = "TWILIO_API_KEY_SID, TWILIO_API_KEY_SECRET" if own.twilio_api_key_sid else "TWILIO_AUTH_TOKEN"
        try:
            self.api.messages.list(limit=1, page_size=1)
        except TwilioException as error:
            if _status_of(error) not in (401, 404):  # 403: an accepted key that may not read messages, and may send
                raise
            why = f"Twilio does not accept them (HTTP {_status_of(error)})"
            yield Diagnosis(about, State.FAULT, why, f"copy TWILIO_ACCOUNT_SID and {names} anew from {CONSOLE}")
            return
        yield Diagnosis(about, State.OK, "Twilio accepts them")
        yield from examined("Twilio account", self._status)

    def _status(self) -> Iterator[Diagnosis]:
        """A key may send and not read the account; a token may be there for receipts alone."""
        about, own = "Twilio account", self._own
        by_token = bool(own.twilio_auth_token)
        client = self._client(own.twilio_account_sid, own.twilio_auth_token) if by_token else self.api
        try:
            account = client.api.v2010.accounts(own.twilio_account_sid).fetch()
        except TwilioRestException as error:
            if not by_token or error.status not in NO_RIGHT:
                raise
            why = "Twilio does not accept it, so every receipt would be taken for forged"
            yield Diagnosis("TWILIO_AUTH_TOKEN", State.FAULT, why, f"copy it anew from {CONSOLE}")
            return
        if account.status != "active":
            why = f"it is {account.status}, so Twilio sends nothing"
            yield Diagnosis(about, State.FAULT, why, f"see {CONSOLE} for the reason, or ask Twilio's support")
        elif str(account.type).lower() == "trial":
            why = "it is a trial: it sends to verified numbers alone, with a text of Twilio's before yours"
            yield Diagnosis(about, State.ADVICE, why, f"upgrade it in {CONSOLE}")
        else:
            yield Diagnosis(about, State.OK, "it is active")

    @staticmethod
    def destinations(countries: Iterable[str]) -> Diagnosis:
        """Say that nobody can ask for permissions of countries: no document of Twilio's describes them."""
        where = ", ".join(sorted(countries)) or "all countries"
        why = f"whether Twilio may send SMS to {where} cannot be asked"
        return Diagnosis("OTP_COUNTRIES", State.NOT_CHECKED, why, f"compare with {GEO}")

    def number(self, number: str) -> Iterator[Diagnosis]:
        """Say whether a number is of this account and can send text messages."""
        about = "TWILIO_PHONE_NUMBER"
        if not number.startswith("+"):
            why = "Twilio's API does not list alphanumeric senders and short codes by their names"
            yield Diagnosis(about, State.NOT_CHECKED, why, f"look for it in {CONSOLE}, and send a message")
            return
        found = self.api.incoming_phone_numbers.list(phone_number=number, limit=20)
        owned = next((each for each in found if each.phone_number == number), None)
        if owned is None:
            yield Diagnosis(about, State.FAULT, "this account does not own it", f"name or buy a number in {CONSOLE}")
        elif not (owned.capabilities or {}).get("sms"):
            yield Diagnosis(about, State.FAULT, "it cannot send SMS", "name a number with the capability SMS")
        else:
            yield Diagnosis(about, State.OK, "this account owns it, and it can send SMS")

    def whatsapp_sender(self, address: str) -> Iterator[Diagnosis]:
        """Say whether an address (`whatsapp:+…`) is a WhatsApp sender of this account, and works."""
        about = "TWILIO_WHATSAPP_NUMBER"
        found = self.api.messaging.v2.channels_senders.list(channel="whatsapp", limit=MOST_SENDERS, page_size=PAGE_SIZE)
        sender = next((each for each in found if each.sender_id == address), None)
        if sender is None:
            why = "this account has no WhatsApp sender with this number"
            yield Diagnosis(about, State.FAULT, why, f"register it in {SENDERS}, or name one that is registered")
            return
        status = str(getattr(sender.status, "value", sender.status))
        if not status.startswith("ONLINE"):
            reasons = "; ".join(str(each.get("message", "")) for each in sender.offline_reasons or [] if each)
            why = f"the WhatsApp sender is {status}" + (f" ({reasons})" if reasons else "")
            yield Diagnosis(about, State.FAULT, why, f"see {SENDERS}")
        else:
            yield Diagnosis(about, State.OK, f"the WhatsApp sender is {status}")

    def messaging_service(self, sid: str, channel: str) -> Iterator[Diagnosis]:
        """Say whether a messaging service has a sender for a channel, `sms` or `whatsapp`."""
        about, service = "TWILIO_MESSAGING_SERVICE_SID", self.api.messaging.v1.services(sid)
        add = f"add one to its sender pool in {CONSOLE}"
        try:
            service.fetch()
        except TwilioRestException as error:
            if error.status != 404:
                raise
            yield Diagnosis(about, State.FAULT, "this account has no such messaging service", f"copy it from {CONSOLE}")
            return
        numbers = service.phone_numbers.list(limit=MOST_SENDERS, page_size=PAGE_SIZE)
        others = service.channel_senders.list(limit=MOST_SENDERS, page_size=PAGE_SIZE)
        if channel == "whatsapp":
            fit = [each for each in others if str(each.sender).startswith("whatsapp:")]
        else:
            fit = [each for each in numbers if "SMS" in (each.capabilities or [])]
            fit += [each for each in others if not str(each.sender).startswith(("whatsapp:", "messenger:", "rcs:"))]
        if fit:
            yield Diagnosis(about, State.OK, f"it has {len(fit)} senders for {channel}")
        else:
            yield Diagnosis(about, State.FAULT, f"it has no sender for {channel}", add)

    def verify_service(self, sid: str, digits: int) -> Iterator[Diagnosis]:
        """Say whether a Verify service is there, and makes codes of this length."""
        about = "TWILIO_VERIFICATION_SERVICE_SID"
        try:
            service = self.api.verify.v2.services(sid).fetch()
        except TwilioRestException as error:
            if error.status != 404:
                raise
            yield Diagnosis(about, State.FAULT, "this account has no such Verify service", f"copy it from {CONSOLE}")
            return
        if service.code_length != digits:
            why = f"its codes have {service.code_length} digits, and OTP_CODE_LENGTH is {digits}"
            yield Diagnosis(about, State.FAULT, why, f"set OTP_CODE_LENGTH={service.code_length}, or change it")
        else:
            yield Diagnosis(about, State.OK, f"its codes have {digits} digits")

    def close(self) -> None:
        """Close the connections to Twilio."""
        self._transport.close()


def examined(about: str, look: Look) -> Iterator[Diagnosis]:
    """Yield what a look finds. Where Twilio does not say it, it is not checked: that is never taken for good."""
    try:
        yield from look()
    except TwilioException as error:
        status, by_hand = _status_of(error), f"look at it in {CONSOLE}"
        may_not = f"these credentials may not read it (HTTP {status})"
        why = may_not if status in NO_RIGHT else f"Twilio answered HTTP {status}" if status else "Twilio did not say"
        yield Diagnosis(about, State.NOT_CHECKED, why, by_hand)
    except TransportError as error:
        yield _no_answer(about, str(error))
    except (OSError, HTTPException) as error:
        yield _no_answer(about, type(error).__name__)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = f"Twilio's answer cannot be read ({type(error).__name__})"
        yield Diagnosis(about, State.NOT_CHECKED, why, f"look at it in {CONSOLE}")


def _status_of(error: TwilioException) -> int:
    """Return the HTTP status of an answer, which the SDK hands over in two ways: for one thing, and for a list."""
    answer = error.args[-1] if error.args else None
    return int(getattr(error, "status", 0) or getattr(answer, "status_code", 0))


def _no_answer(about: str, why: str) -> Diagnosis:
    remedy = "let this machine connect to Twilio (port 443), and look at https://status.twilio.com"
    return Diagnosis(about, State.FAULT, f"Twilio gave no answer ({why})", remedy)
