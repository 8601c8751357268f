"""The service that every face calls: send, resend, check, cancel, status.

A message is handed to a channel only after the swap that counted it, so a crash in between loses a message at most
and never sends one twice.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace

from otp_app.core import transitions
from otp_app.core.allowance import seconds_to_next_send, sends_left
from otp_app.core.codes import GUESS, CodeKeys, Names
from otp_app.core.courier import Courier, Parcel
from otp_app.core.errors import DeliveryRefused, InvalidInput, InvalidPhone, UnknownChannel, VerificationNotFound
from otp_app.core.events import Canceled, Checked, Event
from otp_app.core.interfaces import Channel, Clock, Delivery, Instant, Listener, Outcome, Reason, Store
from otp_app.core.ledger import Ledger, Send, Status, Verification
from otp_app.core.ledgers import Ledgers
from otp_app.core.message import LOCALE, Texts
from otp_app.core.phone import Phone, mask, parse, spelling
from otp_app.core.policy import Policy
from otp_app.core.transitions import Opening, Verdict

log = logging.getLogger(__name__)

PURPOSE = re.compile(r"[a-z0-9_-]{1,32}")
DEFAULT_PURPOSE = "login"


@dataclass(frozen=True, slots=True)
class FixedCode:
    """The code of a test number, to which nothing is sent, until a day."""

    code: str
    until: float  # wall clock, seconds


@dataclass(frozen=True, slots=True)
class Sending:
    """The answer to a send."""

    verification_id: str
    to: str  # masked
    channel: str
    outcome: Outcome  # sent, or unknown: it may arrive
    expires_in: float  # seconds
    resend_in: float  # seconds until no limit of the number refuses the next message
    sends_left: int | None  # None: no caps


@dataclass(frozen=True, slots=True)
class Report:
    """What may be told about a verification: everything but its code and number."""

    verification: Verification
    to: str  # masked
    status: Status
    attempts_left: int
    expires_in: float  # seconds; 0 when it is over


@dataclass(frozen=True, slots=True)
class Wish:
    """What a caller may choose about a send. Raises InvalidInput where that is nothing anybody can choose."""

    purpose: str = DEFAULT_PURPOSE
    channel: str | None = None  # the only one to use; None: the configured ones in order
    locale: str = ""  # language tag of the text
    keyed: bool = False  # the caller showed an API key
    listed: bool = False  # the number is from the operator's own directory: it need not be in use

    def __post_init__(self) -> None:
        if not PURPOSE.fullmatch(self.purpose):
            raise InvalidInput("purpose must be 1 to 32 of a-z, 0-9, _ and -")
        if self.locale and not LOCALE.fullmatch(self.locale):
            raise InvalidInput("locale must be a language tag, such as en or pt-BR")


class VerificationService:
    """The rules at work, with the store, the channels, the clock and the randomness that they are given."""

    def __init__(
        self,
        store: Store,
        channels: Sequence[Channel],
        *,
        policy: Policy,
        keys: CodeKeys,
        names: Names,
        texts: Texts,
        clock: Clock,
        countries: frozenset[str] = frozenset(),
        test_numbers: Mapping[str, FixedCode] | None = None,
        listeners: Sequence[Listener] = (),
    ) -> None:
        self._channels, self._policy, self._keys, self._names = tuple(channels), policy, keys, names
        self._clock, self._countries, self._listeners = clock, countries, tuple(listeners)
        self._test_numbers = dict(test_numbers or {})
        self._ledgers = Ledgers(store, clock, policy)
        self._texts = texts
        self._courier = Courier(channels, self._ledgers, names=names, clock=clock, tell=self._tell)

    def under(self, policy: Policy, texts: Texts) -> VerificationService:
        """The same service under other figures and with other words. Ledgers are one, so tries and caps are too."""
        other = copy(self)
        other._policy, other._texts = policy, texts  # noqa: SLF001 - of this very class
        return other

    def send(self, phone_number: str, wish: Wish, begun: Callable[[Sending], None] | None = None) -> Sending:
        """Send a code; while one is pending for this number and purpose, send the same code again.

        `begun` is called when the message is counted and before it leaves, with the answer as it would be if nothing
        more were ever heard; what it raises stops the send. Raises InvalidInput, CountryNotAllowed, a LimitReached
        (nothing changed), DeliveryRefused (certainly not sent), Busy, StoreUnavailable.
        """
        phone = self._phone(phone_number, wish.listed)
        channels = self._channels_for(phone, wish.channel)
        key, fixed_code = self._names.ledger(phone.e164), self._fixed_code(phone.e164)
        opening = Opening(
            wish.purpose,
            channels,
            wish.keyed,
            verification_id=self._names.new_verification(key),
            send_id=self._names.new_send(),
            key=self._keys.current,
            test_code=fixed_code,
        )

        def transition(ledger: Ledger | None, now: Instant) -> tuple[Ledger, tuple[Ledger, Verification, Send, str]]:
            # A ledger of another number under this key is a collision of 72-bit names: it gives way.
            mine = ledger if ledger and ledger.phone == phone.e164 else Ledger(phone.e164)
            new, verification, send = transitions.begin(mine, now, self._policy, opening)
            return new, (new, verification, send, self._code(new, verification))

        ledger, verification, send, code = self._ledgers.change(key, transition)
        if begun:
            begun(self._sending(ledger, verification, send, Outcome.UNKNOWN, wish))
        parcel = Parcel(phone, key, verification, send, channels, code, self._texts, wish.locale)
        send, delivery = (send, Delivery(Outcome.SENT)) if fixed_code else self._courier.deliver(parcel)
        if delivery.outcome == Outcome.REFUSED:
            reason = delivery.reason or Reason.FAILED
            raise DeliveryRefused("The message could not be sent", reason, delivery.retry_after)
        return self._sending(ledger, verification, send, delivery.outcome, wish)

    def resend(
        self,
        verification_id: str,
        wish: Wish,
        begun: Callable[[Sending], None] | None = None,
        phone_number: str | None = None,
    ) -> Sending:
        """Send again to the number of a verification, for its purpose (the wish's does not count).

        A `phone_number` given beside the id must fit it. Raises VerificationNotFound, and what send raises.
        """
        ledger, verification = self._find(verification_id)
        if phone_number is not None and spelling(phone_number) != ledger.phone:
            raise VerificationNotFound("No such verification")
        wish = replace(wish, purpose=verification.purpose)
        return self.send(ledger.phone, wish, begun)

    def check(
        self,
        guess: str,
        *,
        phone_number: str | None = None,
        verification_id: str | None = None,
        purpose: str | None = None,
    ) -> Verdict:
        """Look at one guess, by number and purpose (None: login) or by verification id; all that is given must fit.

        What cannot be a code or an id gets the verdict of nothing found, and spends nothing. Raises InvalidPhone,
        UnknownKey (no try spent), Busy, StoreUnavailable.
        """
        phone = spelling(phone_number) if phone_number is not None else None
        key = self._ledger_key(phone, verification_id)
        if key is None or not GUESS.fullmatch(guess):
            return Verdict(None)

        def transition(ledger: Ledger | None, now: Instant) -> tuple[Ledger | None, tuple[Verdict, Event | None]]:
            target = self._target(ledger, now, phone, verification_id, purpose)
            if ledger is None or target is None:
                return None, (Verdict(None), None)
            new, verdict = transitions.check(ledger, now, self._policy, target, guess, lambda v: self._code(ledger, v))
            event = Checked(target.id, mask(ledger.phone), target.purpose, str(verdict.status))
            return new, (verdict, event if verdict.counted else None)

        verdict, event = self._ledgers.change(key, transition)
        if event:
            self._tell(event)
        return verdict

    def cancel(self, verification_id: str) -> Report:
        """End a pending verification. Raises VerificationNotFound, NotPending, Busy, StoreUnavailable."""
        key = self._names.ledger_of(verification_id)

        def transition(ledger: Ledger | None, now: Instant) -> tuple[Ledger, tuple[Ledger, Verification]]:
            found = ledger.by_id(verification_id) if ledger else None
            if ledger is None or found is None or not self._remembers(found, now):
                raise VerificationNotFound("No such verification")
            new, verification = transitions.cancel(ledger, now, self._policy, verification_id)
            return new, (new, verification)

        if key is None:
            raise VerificationNotFound("No such verification")
        ledger, verification = self._ledgers.change(key, transition)
        self._tell(Canceled(verification.id, mask(ledger.phone), verification.purpose))
        return self._report(ledger, verification)

    def status(self, verification_id: str) -> Report:
        """Tell what became of a verification, up to an hour after it was over. Raises VerificationNotFound."""
        return self._report(*self._find(verification_id))

    def _find(self, verification_id: str) -> tuple[Ledger, Verification]:
        key = self._names.ledger_of(verification_id)
        ledger = self._ledgers.find(key) if key else None
        verification = ledger.by_id(verification_id) if ledger else None
        if ledger is None or verification is None or not self._remembers(verification, self._clock()):
            raise VerificationNotFound("No such verification")
        return ledger, verification

    def _target(
        self, ledger: Ledger | None, now: Instant, phone: str | None, verification_id: str | None, purpose: str | None
    ) -> Verification | None:
        if ledger is None or (phone and ledger.phone != phone):
            return None
        target = ledger.by_id(verification_id) if verification_id else ledger.latest(now, purpose or DEFAULT_PURPOSE)
        fits = target and purpose in (None, target.purpose) and self._remembers(target, now)
        return target if fits else None

    def _remembers(self, verification: Verification, now: Instant) -> bool:
        return verification.over_for(now) < self._policy.tombstone

    def _phone(self, text: str, listed: bool) -> Phone:
        if self._test_numbers and self._fixed_code(test := spelling(text)):
            return Phone(test, country="", landline=False)
        return parse(text, self._countries, listed=listed)

    def _ledger_key(self, phone: str | None, verification_id: str | None) -> str | None:
        if verification_id is not None:
            return self._names.ledger_of(verification_id)
        return self._names.ledger(phone) if phone else None

    def _channels_for(self, phone: Phone, wanted: str | None) -> list[str]:
        known = [c for c in self._channels if wanted in (None, c.name)]
        if not known:
            raise UnknownChannel("channel must be one of: " + ", ".join(c.name for c in self._channels))
        if not (able := [c.name for c in known if c.landlines or not phone.landline]):
            raise InvalidPhone("phone_number is a fixed line, which cannot receive messages here")
        return able

    def _fixed_code(self, phone: str) -> str | None:
        test = self._test_numbers.get(phone)
        return test.code if test and test.until > self._clock().wall else None

    def _code(self, ledger: Ledger, verification: Verification) -> str:
        return self._fixed_code(ledger.phone) or self._keys.derive(
            verification.key,
            verification_id=verification.id,
            phone=ledger.phone,
            purpose=verification.purpose,
            generation=verification.generation,
            length=verification.length,
        )

    def _sending(self, ledger: Ledger, verification: Verification, send: Send, outcome: Outcome, wish: Wish) -> Sending:
        now = self._clock()
        return Sending(
            verification.id,
            mask(ledger.phone),
            send.channel,
            outcome,
            expires_in=verification.left(now),
            resend_in=seconds_to_next_send(ledger, now, self._policy, keyed=wish.keyed),
            sends_left=sends_left(ledger, now, self._policy, keyed=wish.keyed),
        )

    def _report(self, ledger: Ledger, verification: Verification) -> Report:
        now = self._clock()
        left = self._policy.max_attempts - verification.attempts
        status = verification.status_at(now)
        return Report(verification, mask(ledger.phone), status, max(left, 0), verification.left(now))

    def _tell(self, event: Event) -> None:
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:
                log.exception("a listener failed")
