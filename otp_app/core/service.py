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
from otp_app.core.codes import CodeKeys, LedgerIds, as_typed, shift_code
from otp_app.core.courier import Courier, Dispatch
from otp_app.core.delivery import Channel, Delivery, Outcome, Reason
from otp_app.core.errors import DeliveryRefused, Landline, UnknownChannel, VerificationNotFound
from otp_app.core.events import Approval, ApprovalListener, Canceled, Checked, Event, Listener
from otp_app.core.instant import Clock, Instant
from otp_app.core.ledger import Ledger, Send, Verification
from otp_app.core.ledger_store import Ledgers
from otp_app.core.phone import Phone, mask, parse, spelling
from otp_app.core.policy import Policy
from otp_app.core.results import SendResult, VerificationView
from otp_app.core.selector import Selector
from otp_app.core.send_limits import seconds_to_next_send, sends_left
from otp_app.core.send_request import SendRequest
from otp_app.core.send_transitions import SendPlan
from otp_app.core.store import Store
from otp_app.core.texts import Texts

log = logging.getLogger(__name__)

BeforeDelivery = Callable[[SendResult], None]
Notification = TypeVar("Notification", Event, Approval)
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
        ids: LedgerIds,
        texts: Texts,
        clock: Clock,
        countries: frozenset[str] = frozenset(),
        test_numbers: Mapping[str, FixedCode] | None = None,
        listeners: Sequence[Listener] = (),
        on_approved: Sequence[ApprovalListener] = (),
    ) -> None:
        self._channels, self._policy, self._keys, self._ids = tuple(channels), policy, keys, ids
        self._clock, self._countries = clock, countries
        self._listeners, self._on_approved = tuple(listeners), tuple(on_approved)
        self._test_numbers = dict(test_numbers or {})
        self._ledgers = Ledgers(store, clock, policy)
        self._texts = texts
        self._courier = Courier(channels, self._ledgers, ids=ids, clock=clock, notify=self._notify)

    def with_profile(self, policy: Policy, texts: Texts) -> VerificationService:
        """The same service under other figures and with other words. Ledgers are one, so tries and caps are too."""
        other = copy(self)
        other._policy, other._texts = policy, texts  # noqa: SLF001 - of this very class
        return other

    def send(
        self, phone_number: str, request: SendRequest, before_delivery: BeforeDelivery | None = None
    ) -> SendResult:
        """Send a code; while one is pending for this number and purpose, send the same code again.

        `before_delivery` is called once the message is counted and before it leaves, with the result as it would be if
        its outcome stayed unknown; an exception of it stops the send. Raises InvalidInput, CountryNotAllowed, a
        LimitReached (nothing changed), DeliveryRefused (certainly not sent), Busy, StoreUnavailable.
        """
        return self.start(phone_number, request, before_delivery)[0]

    def start(
        self, phone_number: str, request: SendRequest, before_delivery: BeforeDelivery | None = None
    ) -> tuple[SendResult, VerificationView]:
        """Send, and tell of the verification as well: reading it afterwards could fail, though the message has gone."""
        phone = self._phone(phone_number, request.from_directory)
        channels = self._channels_for(phone, request.channel)
        key, fixed_code = self._ids.ledger(phone.e164), self._fixed_code(phone.e164)
        plan = SendPlan(
            request.purpose,
            channels,
            request.authenticated,
            verification_id=self._ids.new_verification(key),
            send_id=self._ids.new_send(),
            key=self._keys.current,
            test_code=fixed_code,
            code=request.code,
            replace_code=request.replace_code,
        )

        def transition(ledger: Ledger | None, now: Instant) -> tuple[Ledger, tuple[Ledger, Verification, Send, str]]:
            # A ledger of another number under this key is a collision of 72-bit names: it gives way.
            mine = ledger if ledger and ledger.phone == phone.e164 else Ledger(phone.e164)
            new, verification, send = transitions.begin(mine, now, self._policy, plan, partial(self._code, mine))
            return new, (new, verification, send, self._code(new, verification))

        ledger, verification, send, code = self._ledgers.change(key, transition)
        if before_delivery:
            before_delivery(self._result(ledger, verification, send, Outcome.UNKNOWN, request))
        dispatch = Dispatch(phone, key, verification, send, channels, code, self._texts, request.locale)
        send, delivery = (send, Delivery(Outcome.SENT)) if fixed_code else self._courier.deliver(dispatch)
        if delivery.outcome == Outcome.REFUSED:
            reason = delivery.reason or Reason.FAILED
            raise DeliveryRefused("The message could not be sent", reason, delivery.retry_after)
        sends = (*verification.sends[:-1], replace(send, state=delivery.outcome))
        view = self._view(ledger, replace(verification, sends=sends))
        return self._result(ledger, verification, send, delivery.outcome, request), view

    def resend(
        self,
        verification_id: str,
        request: SendRequest,
        before_delivery: BeforeDelivery | None = None,
        phone_number: str | None = None,
    ) -> SendResult:
        """Send again to the number of a verification, for its purpose (that of the request does not count).

        A `phone_number` given beside the id must fit it. Raises VerificationNotFound, and what send raises.
        """
        view = self.status(verification_id, phone_number=phone_number)
        return self.send(view.phone, replace(request, purpose=view.verification.purpose), before_delivery)

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
    ) -> tuple[Verdict, VerificationView | None]:
        """Check, and tell of the verification as it was before; None where nothing was found."""
        verdict, found = self._look(guess, Selector.of(verification_id, phone_number, purpose))
        return verdict, self._view(*found) if found else None

    def _look(self, guess: str, selector: Selector) -> tuple[Verdict, Found | None]:
        key = selector.key(self._ids)
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
            self._notify(Checked(target.id, mask(ledger.phone), target.purpose, str(verdict.status)))
        if happened and verdict.approval:
            _notify_all(self._on_approved, verdict.approval)
        return verdict, found

    def cancel(
        self, verification_id: str | None = None, *, phone_number: str | None = None, purpose: str | None = None
    ) -> VerificationView:
        """End a pending verification; it is named as for `status`.

        Raises VerificationNotFound, NotPending, InvalidPhone, Busy, StoreUnavailable.
        """
        view = self._end(Selector.of(verification_id, phone_number, purpose), checks.cancel)
        self._notify(Canceled(view.verification.id, view.to, view.verification.purpose))
        return view

    def approve(
        self, verification_id: str | None = None, *, phone_number: str | None = None, purpose: str | None = None
    ) -> VerificationView:
        """Take a pending verification for approved, because its caller says so. Raises what cancel does."""
        view = self._end(Selector.of(verification_id, phone_number, purpose), checks.approve)
        over = view.verification
        self._notify(Checked(over.id, view.to, over.purpose, view.status))
        _notify_all(self._on_approved, checks.approval(view.phone, over, over.ended_at or 0.0))
        return view

    def status(
        self, verification_id: str | None = None, *, phone_number: str | None = None, purpose: str | None = None
    ) -> VerificationView:
        """Tell of a verification, by id, or by number and purpose (None: login); all that is given must fit.

        It is remembered for an hour after it was over. Raises VerificationNotFound, InvalidPhone.
        """
        selector = Selector.of(verification_id, phone_number, purpose)
        key = selector.key(self._ids)
        ledger = self._ledgers.find(key) if key else None
        verification = selector.find(ledger, self._clock(), self._policy)
        if ledger is None or verification is None:
            raise VerificationNotFound("No such verification")
        return self._view(ledger, verification)

    def _end(self, selector: Selector, end: checks.End) -> VerificationView:
        def transition(ledger: Ledger | None, now: Instant) -> tuple[Ledger, VerificationView]:
            verification = selector.find(ledger, now, self._policy)
            if ledger is None or verification is None:
                raise VerificationNotFound("No such verification")
            new, over = end(ledger, now, self._policy, verification)
            return new, self._view(new, over)

        if key := selector.key(self._ids):
            return self._ledgers.change(key, transition)
        raise VerificationNotFound("No such verification")

    def _phone(self, text: str, from_directory: bool) -> Phone:
        if self._test_numbers and self._fixed_code(test := spelling(text)):
            return Phone(test, country="", landline=False)
        return parse(text, self._countries, from_directory=from_directory)

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
        return shift_code(derived, verification.code_offset)

    def _result(
        self, ledger: Ledger, verification: Verification, send: Send, outcome: Outcome, request: SendRequest
    ) -> SendResult:
        now = self._clock()
        return SendResult(
            verification.id,
            mask(ledger.phone),
            send.channel,
            outcome,
            expires_in=verification.left(now),
            resend_in=seconds_to_next_send(ledger, now, self._policy, authenticated=request.authenticated),
            sends_left=sends_left(ledger, now, self._policy, authenticated=request.authenticated),
        )

    def _view(self, ledger: Ledger, verification: Verification) -> VerificationView:
        now = self._clock()
        left = self._policy.attempts_left(verification.attempts)
        return VerificationView(verification, ledger.phone, verification.status_at(now), left, verification.left(now))

    def _notify(self, event: Event) -> None:
        _notify_all(self._listeners, event)


def _notify_all(listeners: Sequence[Callable[[Notification], None]], what: Notification) -> None:
    for listener in listeners:
        try:
            listener(what)
        except Exception:
            log.exception("a listener failed")
