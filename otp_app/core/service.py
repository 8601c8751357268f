"""The service that every API calls: send, resend, check, cancel, approve, status, and receive.

A message is handed to a channel only after the swap that counted it, so a crash in between loses a message at most
and never sends one twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from functools import partial

from otp_app.core import check_transitions, send_transitions
from otp_app.core.check_transitions import End, Verdict
from otp_app.core.codes import CodeKeys, FixedCode, LedgerIds, as_typed, shift_code
from otp_app.core.courier import Courier, Dispatch
from otp_app.core.delivery import Channel, Delivery, Outcome, Reason
from otp_app.core.errors import DeliveryRefused, VerificationNotFound
from otp_app.core.events import ApprovalListener, Canceled, Checked, Listener, Started, tell
from otp_app.core.fallback import Fallback, Profile
from otp_app.core.inbound import InboundProofs
from otp_app.core.instant import Clock, Instant
from otp_app.core.journal import Journal, Recorder
from otp_app.core.ledger import Ledger, Verification
from otp_app.core.ledgers import Begun, Ledgers
from otp_app.core.limits import Bulkhead, policy_for, seconds_to_next_send
from otp_app.core.notebook import Notebook
from otp_app.core.numbers import Numbers
from otp_app.core.opt_outs import OptOuts
from otp_app.core.phone import Phone, parse, spelling
from otp_app.core.policy import Policy
from otp_app.core.providers import Providers
from otp_app.core.receiver import Receiver
from otp_app.core.recipients import Recipients
from otp_app.core.reminders import Reminders
from otp_app.core.results import FreshSendResult, SendRequest, SendResult, StatusView, VerificationView
from otp_app.core.routes import Keeps
from otp_app.core.selector import Selector
from otp_app.core.send_transitions import Counted, SendPlan
from otp_app.core.store import Store
from otp_app.core.texts import ENOUGH_OF_IT, Texts

log = logging.getLogger(__name__)
BeforeDelivery = Callable[[SendResult], None]


class VerificationService:
    """The rules, applied with the store, the channels, the clock and the randomness that are handed in."""

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
        places: Bulkhead,
        countries: frozenset[str] = frozenset(),
        test_numbers: Mapping[str, FixedCode] | None = None,
        listeners: Sequence[Listener] = (),
        on_approved: Sequence[ApprovalListener] = (),
        routes: Mapping[str, Sequence[str]] | None = None,
        reminders: Reminders | None = None,
        journal: Journal | None = None,
        recorder: Recorder[Ledger] | None = None,
    ) -> None:
        """`reminders`: others follow what did not arrive; `journal`: events are told; `recorder`: sees changes."""
        self._policy, self._texts, self._keys, self._ids = policy, texts, keys, ids
        self._clock, self._countries, self._test_numbers = clock, countries, dict(test_numbers or {})
        self._notify, self._on_approved = partial(tell, tuple(listeners)), partial(tell, tuple(on_approved))
        self._ledgers = ledgers = Ledgers(store, clock, policy, journal, recorder)
        self.notebook, self.opt_outs = Notebook(ledgers, ids), OptOuts(ledgers, ids, countries)
        self.inbound = InboundProofs(store, ledgers, ids, policy, clock, countries, self._notify, self._on_approved)
        self._select = partial(Selector.of, ids=ids, has_seen=ledgers.has_seen)
        self._providers = Providers(channels, self._ledgers, places)
        receiver = Receiver(channels, self._ledgers, ids=ids, notify=self._notify, reminders=reminders)
        self._courier = Courier(channels, self._ledgers, self._providers, ids=ids, clock=clock, notify=self._notify,
                                routes=routes, reminders=reminders)
        self.recipients = Recipients(self._ledgers, ids, policy, code_of=self._code, phone_of=self._phone,
                                     channels_for=self._courier.channels_for, fixed_code_of=self._fixed_code)
        self._profile, self._profiles = "" if reminders else None, {"": Profile(policy, texts)}
        self.receive, self.begin_receipt = receiver.receive, receiver.begin
        self.handlers = Fallback(
            channels, self._ledgers, self._providers, receiver=receiver, courier=self._courier, ids=ids,
            profiles=self._profiles, code_of=self._code, after=reminders.after, countries=countries,
        ).handlers if reminders else {}

    @property
    def numbers(self) -> Numbers:
        """What an operator does to a number."""
        return Numbers(self._ledgers, self._ids, self._policy)

    def with_profile(self, policy: Policy, texts: Texts, name: str = "") -> VerificationService:
        """Return the same service with other figures and texts, over the same ledgers: attempts and caps are shared.

        Its messages are followed by another channel if it has a `name`, under which each server knows these.
        """
        other = copy(self)
        other._policy, other._texts = policy, texts  # noqa: SLF001 - of this very class
        other._profile = name if name and self._profile is not None else None  # noqa: SLF001
        if name:
            self._profiles[name] = Profile(policy, texts)
        return other

    def send(
        self, phone_number: str, request: SendRequest, before_delivery: BeforeDelivery | None = None
    ) -> FreshSendResult:
        """Send a code; while one is pending for this number and purpose, send the same code again.

        `before_delivery` is called once the message is counted and before it leaves, with the result as it would be if
        its outcome stayed unknown; an exception of it stops the send. Raises InvalidInput, CountryNotAllowed, a
        LimitReached (nothing changed), DeliveryRefused (certainly not sent), Busy, StoreUnavailable.
        """
        phone = self._phone(phone_number, request.from_directory)
        channels = self._courier.channels_for(phone, request)
        key, fixed_code = self._ids.ledger(phone.e164), self._fixed_code(phone.e164)
        plan = self._plan(key, phone, channels, request, fixed_code)
        counted = self._ledgers.change(key, partial(self._count, phone.e164, plan))
        if counted.verification.messages == 1:
            self._notify(Started(counted.verification.id, phone.masked, request.purpose, "code"))
        result = partial(send_transitions.result, counted, policy=self._policy, authenticated=request.authenticated)
        if before_delivery:
            before_delivery(result(counted.send, Outcome.UNKNOWN, self._clock()))
        send, delivery = counted.send, Delivery(Outcome.SENT)
        if not fixed_code:
            how = self._texts, request.locale, self._policy, self._code
            send, delivery = self._courier.deliver(Dispatch(phone, key, *counted, *how))
        if delivery.outcome == Outcome.REFUSED:
            reason, verification_id = delivery.reason or Reason.FAILED, counted.verification.id
            raise DeliveryRefused("The message could not be sent", reason, delivery.retry_after, verification_id)
        return result(send, delivery.outcome, self._clock())

    def resend(
        self,
        verification_id: str,
        request: SendRequest,
        before_delivery: BeforeDelivery | None = None,
        phone_number: str | None = None,
    ) -> FreshSendResult:
        """Send again to the number of a verification, for its purpose (that of the request does not count).

        A `phone_number` given beside the id must fit it. Raises VerificationNotFound, and what send raises.
        """
        view = self.status(verification_id, phone_number=phone_number)
        if view.verification.inbound:
            raise VerificationNotFound("No code was sent for this verification")
        return self.send(view.phone, request.with_purpose(view.verification.purpose), before_delivery)

    def check(
        self,
        attempt: str,
        *,
        phone_number: str | None = None,
        verification_id: str | None = None,
        purpose: str | None = None,
    ) -> Verdict:
        """Check one attempt, by number and purpose (None: login) or by verification id; all that is given must fit.

        What cannot be a code or an id gets the verdict of nothing found, and spends nothing. Raises InvalidPhone,
        UnknownKey (no attempt spent), Unchecked, Busy, StoreUnavailable.
        """
        selector = self._select(verification_id, phone_number, purpose)
        key, code = selector.key, as_typed(attempt)
        verdict = Verdict()
        if key and code:
            verdict = self._ledgers.change(key, partial(self._attempt, selector, code))
        return self._concluded(key, code, verdict)

    @property
    def begins_checks(self) -> bool:
        """Whether checks may be begun: but for who is told of approvals, they wait for the store alone."""
        return self._ledgers.can_begin and not self._providers.makers

    def begin_check(
        self, attempt: str, *, phone_number: str | None = None, verification_id: str | None = None,
        purpose: str | None = None,
    ) -> Begun[Verdict] | None:  # fmt: skip
        """Begin to check one attempt, named as for `check`; None: it is all for that. Raises what it raises."""
        selector = self._select(verification_id, phone_number, purpose)
        key, code = selector.key, as_typed(attempt)
        begun = self._ledgers.begin(key, partial(self._attempt, selector, code)) if key and code else None
        tell = partial(self._concluded, key, code)
        return begun and Begun(begun.answer, lambda: begun.is_stored() and tell(begun.answer) is begun.answer)

    def cancel(
        self, verification_id: str | None = None, *, phone_number: str | None = None, purpose: str | None = None
    ) -> VerificationView:
        """End a pending verification; it is named as for `status`.

        Raises VerificationNotFound, NotPending, InvalidPhone, Busy, StoreUnavailable.
        """
        view = self._end(self._select(verification_id, phone_number, purpose), check_transitions.cancel)
        self._providers.end_of(view)
        self._notify(Canceled(view.verification.id, view.to, view.verification.purpose))
        return view

    def approve(
        self, verification_id: str | None = None, *, phone_number: str | None = None, purpose: str | None = None
    ) -> VerificationView:
        """Approve a pending verification because its caller says so. Raises what cancel does."""
        view = self._end(self._select(verification_id, phone_number, purpose), check_transitions.approve)
        ended = view.verification
        self._providers.end_of(view)
        self._notify(Checked(ended.id, view.to, ended.purpose, view.status))
        self._on_approved(check_transitions.approval(view.phone, ended, ended.ended_at or 0.0))
        return view

    def status(
        self, verification_id: str | None = None, *, phone_number: str | None = None, purpose: str | None = None,
        authenticated: bool = False,
    ) -> StatusView:  # fmt: skip
        """Return a verification, by id, or by number and purpose (None: login); all that is given must fit.

        `authenticated`: whether its caller sends with an API key. It is remembered for an hour after it ended. Raises
        VerificationNotFound, InvalidPhone.
        """
        selector = self._select(verification_id, phone_number, purpose)
        key, now = selector.key, self._clock()
        ledger = self._ledgers.find(key) if key else None
        verification = selector.find(ledger, now, self._policy)
        if ledger is None or verification is None:
            raise VerificationNotFound("No such verification")
        wait = seconds_to_next_send(ledger, now, policy_for(verification, self._policy), authenticated=authenticated)
        return StatusView(verification, ledger.phone, now, self._policy, wait)

    def _concluded(self, key: str | None, code: str, verdict: Verdict) -> Verdict:
        if key and verdict.undecided:
            verdict = self._providers.decide(key, verdict, code, self._policy)
        if event := check_transitions.event_of(verdict):
            self._notify(event)
        if verdict.recorded and verdict.approval:
            self._on_approved(verdict.approval)
        return verdict

    # ---- transitions, as ledgers.Ledgers applies them

    def _count(self, phone: str, plan: SendPlan, ledger: Ledger | None, now: Instant) -> tuple[Ledger, Counted]:
        # A ledger of another number under this key is a collision of 72-bit names: it is replaced.
        mine = ledger if ledger and ledger.phone == phone else Ledger(phone)
        counted = send_transitions.begin(mine, now, self._policy, plan, partial(self._code, mine))
        return counted.ledger, counted

    def _attempt(
        self, selector: Selector, code: str, ledger: Ledger | None, now: Instant
    ) -> tuple[Ledger | None, Verdict]:
        target = selector.find(ledger, now, self._policy)
        if ledger is None or target is None:
            return None, Verdict()
        return check_transitions.check(ledger, now, self._policy, target, code, partial(self._code, ledger))

    def _end(self, selector: Selector, end: End) -> VerificationView:
        def transition(ledger: Ledger | None, now: Instant) -> tuple[Ledger, VerificationView]:
            verification = selector.find(ledger, now, self._policy)
            if ledger is None or verification is None:
                raise VerificationNotFound("No such verification")
            new, ended = end(ledger, now, self._policy, verification)
            return new, VerificationView(ended, new.phone, now, self._policy)

        if key := selector.key:
            return self._ledgers.change(key, transition)
        raise VerificationNotFound("No such verification")

    # ---- what a send is made of

    def _plan(self, key: str, phone: Phone, channels: list[str], request: SendRequest, fixed: str | None) -> SendPlan:
        return SendPlan(
            request.purpose, channels, request.authenticated,
            verification_id=self._ids.new_verification(key), send_id=self._ids.new_send(),
            key=self._keys.current,
            test_code=fixed,
            code=request.code, replace_code=request.replace_code,
            makers=self._providers.makers,
            tags=request.tags,
            app_hash=request.app_hash,
            origin=request.origin._replace(country=phone.country) if self._ledgers.recorder else None,
            keeps=None if self._profile is None or fixed else Keeps(request.locale[:ENOUGH_OF_IT], self._profile),
        )

    def _phone(self, text: str, from_directory: bool = False) -> Phone:
        if self._test_numbers and self._fixed_code(test := spelling(text)):
            return Phone(test, country="", landline=False)
        return parse(text, self._countries, from_directory=from_directory)

    def _fixed_code(self, phone: str) -> str | None:
        test = self._test_numbers.get(phone)
        return test.code if test and test.until > self._clock().wall else None

    def _code(self, ledger: Ledger, verification: Verification) -> str:
        if fixed := self._fixed_code(ledger.phone):
            return fixed
        derived = self._keys.derive(
            verification.key, verification_id=verification.id, phone=ledger.phone, purpose=verification.purpose,
            generation=verification.generation, length=verification.digits,
        )
        return shift_code(derived, verification.code_offset)
