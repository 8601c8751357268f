"""Proofs by writing to us: who sends the word of a verification from a number holds that number."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from otp_app.core import inbound_transitions
from otp_app.core.codes import LedgerIds
from otp_app.core.errors import Busy, CountryNotAllowed, InvalidPhone
from otp_app.core.events import Approval, Checked, Event, Started
from otp_app.core.inbound_transitions import Finding, Incoming, Proof
from otp_app.core.instant import Clock, Instant
from otp_app.core.ledger import Ledger, Verification
from otp_app.core.ledgers import Ledgers
from otp_app.core.phone import mask, parse
from otp_app.core.policy import DAY, HOUR, Policy
from otp_app.core.results import SendRequest, VerificationView
from otp_app.core.store import Store
from otp_app.core.words import words_in

MOST_REPLIES = 3  # to one sender in an hour
MOST_MESSAGES = 30  # of one sender in an hour whose words are looked up, so that nobody finds one by trying
_TRIES = 4  # new words, should one be in use
#: what is answered by SMS: as senders of it are forged, anybody could otherwise have messages sent to any number
_BY_SMS = (Finding.CONFIRMED, Finding.OTHER_NUMBER)


class Begun(NamedTuple):
    """A verification that waits for its word."""

    view: VerificationView
    word: str


class InboundProofs:
    """Begins verifications whose holder writes to us, and takes what is written."""

    def __init__(
        self,
        store: Store,
        ledgers: Ledgers,
        ids: LedgerIds,
        policy: Policy,
        clock: Clock,
        countries: frozenset[str],
        notify: Callable[[Event], None],
        on_approved: Callable[[Approval], None],
    ) -> None:
        self._store, self._ledgers, self._ids = store, ledgers, ids
        self._policy, self._clock, self._countries = policy, clock, countries
        self._notify, self._on_approved = notify, on_approved

    def begin(self, request: SendRequest, phone_number: str = "") -> Begun:
        """Begin a verification, and return its word, which is stored nowhere; without a number any may write it.

        Raises InvalidPhone, CountryNotAllowed, TooManyPending, Busy, StoreUnavailable.
        """
        phone = parse(phone_number, self._countries).e164 if phone_number else ""
        if phone:
            self._ledgers.change(self._ids.ledger(phone), partial(self._await, phone))
        for _ in range(_TRIES):
            word = self._ids.new_word()
            key = self._ids.ledger_of_word(word)
            if new := self._ledgers.change(key, partial(self._begin, key, request, phone)):
                self._notify(Started(new.id, mask(phone), new.purpose, "inbound"))
                return Begun(VerificationView(new, phone, self._clock(), self._policy), word)
        raise Busy("No word is free at this moment", retry_after=1.0)

    def take(self, message: Incoming) -> Finding | None:
        """Take a message. Return what its sender should hear: nothing (None) when it comes again, after MOST_REPLIES in
        an hour, and by SMS without a word that is waited for. Raises Busy, StoreUnavailable.
        """  # fmt: skip
        is_new = self._store.add(self._ids.counter("message", message.message_id), 1, DAY) == 1
        count = self._store.add(self._ids.counter("sender", message.sender), int(is_new), HOUR)
        if count > MOST_MESSAGES:
            return None
        finding = self._find(message)
        may_hear = message.channel != "sms" or finding in _BY_SMS
        return finding if may_hear and is_new and count <= MOST_REPLIES else None

    def _find(self, message: Incoming) -> Finding:
        if not message.number:
            return Finding.NO_NUMBER
        try:
            sender = parse(message.number, self._countries).e164
        except (InvalidPhone, CountryNotAllowed):
            return Finding.NOT_SERVED
        if self._is_blocked(sender):  # perhaps since the verification began
            return Finding.NOT_SERVED
        for word in words_in(message.body):
            key = self._ids.ledger_of_word(word)
            proof = self._ledgers.change(key, partial(self._prove, message, sender))
            if proof.finding != Finding.UNKNOWN:
                self._tell(proof)
                return proof.finding
        return Finding.UNKNOWN

    def _is_blocked(self, phone: str) -> bool:
        ledger = self._ledgers.find(self._ids.ledger(phone))
        return bool(ledger and ledger.phone == phone and ledger.blocked)

    def _tell(self, proof: Proof) -> None:
        if (now := proof.recorded) is None:
            return
        self._notify(Checked(now.id, mask(proof.phone), now.purpose, now.status))
        if approval := proof.approval(now.ended_at or 0.0):
            self._on_approved(approval)

    # ---- transitions, as ledgers.Ledgers applies them

    def _await(self, phone: str, ledger: Ledger | None, now: Instant) -> tuple[Ledger, None]:
        mine = ledger if ledger and ledger.phone == phone else Ledger(phone)
        return inbound_transitions.awaited(mine, now, self._policy), None

    def _begin(
        self, key: str, request: SendRequest, phone: str, ledger: Ledger | None, now: Instant
    ) -> tuple[Ledger | None, Verification | None]:
        if ledger is not None:
            return None, None
        new = self._ids.new_verification(key)
        origin = request.origin if self._ledgers.recorder else None
        return inbound_transitions.begun(now, self._policy, new, request.purpose, phone, request.tags, origin)

    def _prove(
        self, message: Incoming, sender: str, ledger: Ledger | None, now: Instant
    ) -> tuple[Ledger | None, Proof]:
        return inbound_transitions.prove(ledger, now, self._policy, message, sender)
