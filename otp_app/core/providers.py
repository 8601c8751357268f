"""The providers that make and check codes themselves, asked for the ledgers that name them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from otp_app.core.check_transitions import Verdict, conclude
from otp_app.core.delivery import Channel, CodeChecker, Delivery, Finding, Message, Outcome, Reason
from otp_app.core.errors import Overloaded, Unchecked
from otp_app.core.instant import Instant
from otp_app.core.ledger import Ledger, Status, Verification
from otp_app.core.ledgers import Ledgers
from otp_app.core.limits import Bulkhead
from otp_app.core.policy import Policy
from otp_app.core.results import VerificationView

UNDECIDED = {
    Finding.NOT_ASKED: "The code could not be checked at its provider: try it again in a moment",
    Finding.UNKNOWN: "The provider has not said whether the code is right, so it is not accepted: try it again, and "
    "if it is not accepted then either, ask for a new code",
}

log = logging.getLogger(__name__)

Answer = TypeVar("Answer", Finding, bool)


class Providers:
    """The channels of providers that check codes, and what is asked of them."""

    def __init__(self, channels: Sequence[Channel], ledgers: Ledgers, places: Bulkhead) -> None:
        self._channels = {channel.name: channel for channel in channels if isinstance(channel, CodeChecker)}
        self._by_provider = {channel.maker.provider: channel for channel in self._channels.values()}
        self._ledgers, self._places = ledgers, places
        self.makers = {name: channel.maker for name, channel in self._channels.items()}
        self.by_request = {name for name, channel in self._channels.items() if channel.by_request}

    def start(self, channel: str, message: Message, *, lingers: bool) -> Delivery:
        """Have a code sent; where an earlier one lingers at the provider, only once that one has certainly ended."""
        checker = self._channels[channel]
        if lingers and not checker.end(message.to, approved=False):
            return Delivery(Outcome.REFUSED, reason=Reason.UNREACHABLE)
        return checker.deliver(message)

    def decide(self, key: str, spent: Verdict, attempt: str, policy: Policy) -> Verdict:
        """Ask about an attempt that was spent in the ledger under this key, and return the verdict.

        Without a place for the thread that would wait, the provider is not asked. Raises Unchecked where it does not
        tell; Busy, StoreUnavailable.
        """
        asked = spent.before
        if asked is None:
            return spent
        made = asked.verification.made_now
        checker = self._by_provider.get(made.provider) if made else None
        name = made.id if made and made.id else asked.phone
        finding = Finding.NOT_ASKED
        if checker:
            finding = self._ask(partial(checker.check, name, attempt), Finding.NOT_ASKED)

        def transition(ledger: Ledger | None, now: Instant) -> tuple[Ledger | None, Verdict]:
            return conclude(ledger, now, policy, asked.verification, finding) if ledger else (None, Verdict())

        verdict = self._ledgers.change(key, transition)
        if finding in UNDECIDED:
            raise Unchecked(UNDECIDED[finding])
        return verdict

    def end_of(self, view: VerificationView) -> None:
        """End at its provider what its caller has ended here."""
        if view.verification.provider:
            self.end(view.phone, view.verification, approved=view.status == Status.APPROVED)

    def end(self, phone: str, verification: Verification, *, approved: bool = False) -> None:
        """End the code of a verification at its provider. What fails is logged: here it has ended."""
        made = verification.made_now or verification.made[-1]
        checker = self._by_provider.get(made.provider)
        if not (checker and self._ask(partial(checker.end, made.id or phone, approved=approved), False)):
            log.warning("verification %s may still be pending at %s", verification.id, made.provider)

    def _ask(self, question: Callable[[], Answer], otherwise: Answer) -> Answer:
        try:
            self._places.enter()
        except Overloaded:
            return otherwise
        try:
            return question()
        finally:
            self._places.leave()
