"""The service that every face calls: send, resend, check, cancel, status.

A message is handed to a channel only after the swap that counted it, so a crash in between loses a message at most
and never sends one twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from otp_app.core import check_transitions as checks
from otp_app.core import send_transitions as transitions
from otp_app.core.check_transitions import Verdict
from otp_app.core.codes import CodeKeys, Names, as_typed, moved
from otp_app.core.courier import Courier, Parcel
from otp_app.core.delivery import Channel, Delivery, Outcome, Reason
from otp_app.core.errors import DeliveryRefused, Landline, UnknownChannel, VerificationNotFound
from otp_app.core.events import Approval, ApprovalListener, Canceled, Checked, Event, Listener
from otp_app.core.instant import Clock, Instant
from otp_app.core.ledger import Ledger, Send, Verification
from otp_app.core.ledger_store import Ledgers
from otp_app.core.phone import Phone, mask, parse, spelling
from otp_app.core.policy import Policy
from otp_app.core.results import Report, Sending
from otp_app.core.selector import Selector
from otp_app.core.send_limits import seconds_to_next_send, sends_left
from otp_app.core.send_request import Wish
from otp_app.core.send_transitions import Opening
from otp_app.core.store import Store
from otp_app.core.texts import Texts

log = logging.getLogger(__name__)

Begun = Callable[[Sending], None]
Heard = TypeVar("Heard", Event, Approval)
Found = tuple[Ledger, Verification]  # as they were before a guess


@dataclass(frozen=True, slots=True)
class FixedCode:
    """The code of a test number, to which nothing is sent, until a day."""

    code: str
    until: float  # wall clock, seconds


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
        on_approved: Sequence[ApprovalListener] = (),
    ) -> None:
        self._channels, self._policy, self._keys, self._names = tuple(channels), policy, keys, names
        self._clock, self._countries = clock, countries
        self._listeners, self._on_approved = tuple(listeners), tuple(on_approved)
        self._test_numbers = dict(test_numbers or {})
        self._ledgers = Ledgers(store, clock, policy)
        self._texts = texts
        self._courier = Courier(channels, self._ledgers, names=names, clock=clock, tell=self._tell)

    def under(self, policy: Policy, texts: Texts) -> VerificationService:
        """The same service under other figures and with other words. Ledgers are one, so tries and caps are too."""
        other = copy(self)
        other._policy, other._texts = policy, texts  # noqa: SLF001 - of this very class
        return other

    def send(self, phone_number: str, wish: Wish, begun: Begun | None = None) -> Sending:
        """Send a code; while one is pending for this number and purpose, send the same code again.

        `begun` is called when the message is counted and before it leaves, with the answer as it would be if nothing
        more were ever heard; what it raises stops the send. Raises InvalidInput, CountryNotAllowed, a LimitReached
        (nothing changed), DeliveryRefused (certainly not sent), Busy, StoreUnavailable.
        """
        return self.start(phone_number, wish, begun)[0]

    def start(self, phone_number: str, wish: Wish, begun: Begun | None = None) -> tuple[Sending, Report]:
        """Send, and tell of the verification as well: reading it afterwards could fail, though the message has gone."""
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
            code=wish.code,
            insists=wish.insists,
        )

        def transition(ledger: Ledger | None, now: Instant) -> tuple[Ledger, tuple[Ledger, Verification, Send, str]]:
            # A ledger of another number under this key is a collision of 72-bit names: it gives way.
            mine = ledger if ledger and ledger.phone == phone.e164 else Ledger(phone.e164)
            new, verification, send = transitions.begin(mine, now, self._policy, opening, partial(self._code, mine))
            return new, (new, verification, send, self._code(new, verification))

        ledger, verification, send, code = self._ledgers.change(key, transition)
        if begun:
            begun(self._sending(ledger, verification, send, Outcome.UNKNOWN, wish))
        parcel = Parcel(phone, key, verification, send, channels, code, self._texts, wish.locale)
        send, delivery = (send, Delivery(Outcome.SENT)) if fixed_code else self._courier.deliver(parcel)
        if delivery.outcome == Outcome.REFUSED:
            reason = delivery.reason or Reason.FAILED
            raise DeliveryRefused("The message could not be sent", reason, delivery.retry_after)
        sends = (*verification.sends[:-1], replace(send, state=delivery.outcome))
        report = self._report(ledger, replace(verification, sends=sends))
        return self._sending(ledger, verification, send, delivery.outcome, wish), report

    def resend(
        self, verification_id: str, wish: Wish, begun: Begun | None = None, phone_number: str | None = None
    ) -> Sending:
        """Send again to the number of a verification, for its purpose (the wish's does not count).

        A `phone_number` given beside the id must fit it. Raises VerificationNotFound, and what send raises.
        """
        report = self.status(verification_id, phone_number=phone_number)
        return self.send(report.phone, replace(wish, purpose=report.verification.purpose), begun)

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
        return self._look(guess, Selector.of(verification_id, phone_number, purpose))[0]

    def look(
        self,
        guess: str,
        *,
        phone_number: str | None = None,
        verification_id: str | None = None,
        purpose: str | None = None,
    ) -> tuple[Verdict, Report | None]:
        """Check, and tell of the verification as it was before; None where nothing was found."""
        verdict, found = self._look(guess, Selector.of(verification_id, phone_number, purpose))
        return verdict, self._report(*found) if found else None

    def _look(self, guess: str, selector: Selector) -> tuple[Verdict, Found | None]:
        key = selector.key(self._names)
        if key is None or not (code := as_typed(guess)):
            return Verdict(None), None

        def transition(ledger: Ledger | None, now: Instant) -> tuple[Ledger | None, tuple[Verdict, Found | None, bool]]:
            target = selector.find(ledger, now, self._policy)
            if ledger is None or target is None:
                return None, (Verdict(None), None, False)
            new, verdict = checks.check(ledger, now, self._policy, target, code, partial(self._code, ledger))
            return new, (verdict, (ledger, target), bool(new and verdict.counted))

        verdict, found, happened = self._ledgers.change(key, transition)
        if found and happened:
            ledger, target = found
            self._tell(Checked(target.id, mask(ledger.phone), target.purpose, str(verdict.status)))
        if happened and verdict.approval:
            _tell_all(self._on_approved, verdict.approval)
        return verdict, found

    def cancel(
        self, verification_id: str | None = None, *, phone_number: str | None = None, purpose: str | None = None
    ) -> Report:
        """End a pending verification; it is named as for `status`.

        Raises VerificationNotFound, NotPending, InvalidPhone, Busy, StoreUnavailable.
        """
        report = self._end(Selector.of(verification_id, phone_number, purpose), checks.cancel)
        self._tell(Canceled(report.verification.id, report.to, report.verification.purpose))
        return report

    def approve(
        self, verification_id: str | None = None, *, phone_number: str | None = None, purpose: str | None = None
    ) -> Report:
        """Take a pending verification for approved, because its caller says so. Raises what cancel does."""
        report = self._end(Selector.of(verification_id, phone_number, purpose), checks.approve)
        over = report.verification
        self._tell(Checked(over.id, report.to, over.purpose, report.status))
        _tell_all(self._on_approved, checks.approval(report.phone, over, over.over or 0.0))
        return report

    def status(
        self, verification_id: str | None = None, *, phone_number: str | None = None, purpose: str | None = None
    ) -> Report:
        """Tell of a verification, by id, or by number and purpose (None: login); all that is given must fit.

        It is remembered for an hour after it was over. Raises VerificationNotFound, InvalidPhone.
        """
        selector = Selector.of(verification_id, phone_number, purpose)
        key = selector.key(self._names)
        ledger = self._ledgers.find(key) if key else None
        verification = selector.find(ledger, self._clock(), self._policy)
        if ledger is None or verification is None:
            raise VerificationNotFound("No such verification")
        return self._report(ledger, verification)

    def _end(self, selector: Selector, end: checks.End) -> Report:
        def transition(ledger: Ledger | None, now: Instant) -> tuple[Ledger, Report]:
            verification = selector.find(ledger, now, self._policy)
            if ledger is None or verification is None:
                raise VerificationNotFound("No such verification")
            new, over = end(ledger, now, self._policy, verification)
            return new, self._report(new, over)

        if key := selector.key(self._names):
            return self._ledgers.change(key, transition)
        raise VerificationNotFound("No such verification")

    def _phone(self, text: str, listed: bool) -> Phone:
        if self._test_numbers and self._fixed_code(test := spelling(text)):
            return Phone(test, country="", landline=False)
        return parse(text, self._countries, listed=listed)

    def _channels_for(self, phone: Phone, wanted: str | None) -> list[str]:
        known = [c for c in self._channels if wanted in (None, c.name)]
        if not known:
            raise UnknownChannel("channel must be one of: " + ", ".join(c.name for c in self._channels))
        if not (able := [c.name for c in known if c.landlines or not phone.landline]):
            raise Landline("phone_number is a fixed line, which cannot receive messages here")
        return able

    def _fixed_code(self, phone: str) -> str | None:
        test = self._test_numbers.get(phone)
        return test.code if test and test.until > self._clock().wall else None

    def _code(self, ledger: Ledger, verification: Verification) -> str:
        if fixed := self._fixed_code(ledger.phone):
            return fixed
        derived = self._keys.derive(
            verification.key,
            verification_id=verification.id,
            phone=ledger.phone,
            purpose=verification.purpose,
            generation=verification.generation,
            length=verification.digits,
        )
        return moved(derived, verification.distance)

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
        left = self._policy.attempts_left(verification.attempts)
        return Report(verification, ledger.phone, verification.status_at(now), left, verification.left(now))

    def _tell(self, event: Event) -> None:
        _tell_all(self._listeners, event)


def _tell_all(listeners: Sequence[Callable[[Heard], None]], what: Heard) -> None:
    for listener in listeners:
        try:
            listener(what)
        except Exception:
            log.exception("a listener failed")
