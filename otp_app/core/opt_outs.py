"""Opt-outs: who wrote STOP gets no more notifications until START. Codes still come, as people ask for each of them."""

from __future__ import annotations

from msgspec.structs import replace

from otp_app.core.codes import LedgerIds
from otp_app.core.instant import Instant
from otp_app.core.ledger import Ledger
from otp_app.core.ledgers import Ledgers
from otp_app.core.phone import is_served


class OptOuts:
    """Remembers in the ledger of a number (E.164) whether it wants notifications. Each change is one swap."""

    def __init__(self, ledgers: Ledgers, ids: LedgerIds, countries: frozenset[str] = frozenset()) -> None:
        """`countries`: those that messages are sent to; empty: all."""
        self._ledgers, self._ids, self._countries = ledgers, ids, countries

    def stop(self, phone: str) -> bool:
        """Have no more notifications sent; return whether that is news. Raises Busy, StoreUnavailable."""

        def transition(ledger: Ledger | None, now: Instant) -> tuple[Ledger | None, bool]:
            mine = ledger if ledger and ledger.phone == phone else Ledger(phone)
            return (None, False) if mine.stopped else (replace(mine, stopped=round(now.wall, 3)), True)

        return self._ledgers.change(self._ids.ledger(phone), transition)

    def start(self, phone: str) -> bool:
        """Undo STOP; return whether there was one. Raises Busy, StoreUnavailable."""

        def transition(ledger: Ledger | None, _: Instant) -> tuple[Ledger | None, bool]:
            if ledger is None or ledger.phone != phone or not ledger.stopped:
                return None, False
            return replace(ledger, stopped=0.0), True

        return self._ledgers.change(self._ids.ledger(phone), transition)

    def is_stopped(self, phone: str) -> bool:
        """Return whether a number gets no notifications: it wants none, is blocked, or its country is not served any
        more. Raises StoreUnavailable.
        """  # fmt: skip
        if not is_served(phone, self._countries):
            return True
        ledger = self._ledgers.find(self._ids.ledger(phone))
        return bool(ledger and ledger.phone == phone and (ledger.stopped or ledger.blocked))
