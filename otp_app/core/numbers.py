"""What an operator does to a number: look at it, block it, give it its limits back. Each change is one swap."""

from __future__ import annotations

from msgspec.structs import replace

from otp_app.core.check_transitions import cancel
from otp_app.core.codes import LedgerIds
from otp_app.core.instant import Instant
from otp_app.core.ledger import Ledger
from otp_app.core.ledgers import Ledgers
from otp_app.core.policy import Policy


class Numbers:
    """Changes the ledger of a number (E.164)."""

    def __init__(self, ledgers: Ledgers, ids: LedgerIds, policy: Policy) -> None:
        self._ledgers, self._ids, self._policy = ledgers, ids, policy

    def find(self, phone: str) -> Ledger | None:
        """Return what is remembered about a number; None where that is nothing. Raises StoreUnavailable."""
        ledger = self._ledgers.find(self._ids.ledger(phone))
        return ledger if ledger and ledger.phone == phone else None

    def block(self, phone: str) -> bool:
        """Have nothing sent any more, and end what is pending; return whether that is news.

        Raises Busy, StoreUnavailable.
        """

        def transition(ledger: Ledger | None, now: Instant) -> tuple[Ledger | None, bool]:
            mine = ledger if ledger and ledger.phone == phone else Ledger(phone)
            if mine.blocked:
                return None, False
            for verification in list(mine.pending(now)):
                mine, _ = cancel(mine, now, self._policy, verification)
            return replace(mine, blocked=True), True

        return self._ledgers.change(self._ids.ledger(phone), transition)

    def unblock(self, phone: str) -> bool:
        """Undo a block; return whether there was one. Raises Busy, StoreUnavailable."""

        def transition(ledger: Ledger | None, _: Instant) -> tuple[Ledger | None, bool]:
            if ledger is None or ledger.phone != phone or not ledger.blocked:
                return None, False
            return replace(ledger, blocked=False), True

        return self._ledgers.change(self._ids.ledger(phone), transition)

    def reset(self, phone: str) -> bool:
        """Forget what delays or refuses a message: caps, gaps, cool-downs and refusals of providers.

        Return whether there was any. What bounds guessing stays: the wrong attempts, of pending codes too. Raises Busy,
        StoreUnavailable.
        """

        def transition(ledger: Ledger | None, _: Instant) -> tuple[Ledger | None, bool]:
            if ledger is None or ledger.phone != phone:
                return None, False
            free = replace(
                ledger, sent=(), last_send=0.0, streak=0, exhaustions=0, exhausted_at=0.0, refusals=(), notified=(),
                awaited=(),
            )  # fmt: skip
            return (None, False) if free == ledger else (free, True)

        return self._ledgers.change(self._ids.ledger(phone), transition)
