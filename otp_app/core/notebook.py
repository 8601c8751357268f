"""The notebook: reads and clears the notes in the ledgers, for who tells of them."""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

from otp_app.core import notes
from otp_app.core.codes import LedgerIds
from otp_app.core.instant import Instant
from otp_app.core.ledger import Ledger, Status, Verification
from otp_app.core.ledgers import Ledgers


class Owed(NamedTuple):
    """What a verification owes at one moment."""

    phone: str  # E.164
    verification: Verification


class Notebook:
    """The notes in all ledgers, by the id of their verification."""

    def __init__(self, ledgers: Ledgers, ids: LedgerIds) -> None:
        self._ledgers, self._ids = ledgers, ids

    def of(self, verification_id: str) -> Owed | None:
        """Return the verification with its notes; None where it is forgotten. Raises StoreUnavailable."""
        key = self._ids.ledger_of(verification_id)
        ledger = self._ledgers.find(key) if key else None
        verification = ledger.noted(verification_id) if ledger else None
        return Owed(ledger.phone, verification) if ledger and verification else None

    def look(self, verification_id: str) -> tuple[float, bool]:
        """Note the end of a verification that has expired. Return the seconds of its code's life that are left, and
        whether it owes events. Raises Busy, StoreUnavailable.
        """  # fmt: skip
        key = self._ids.ledger_of(verification_id)
        return self._ledgers.change(key, partial(_look, verification_id)) if key else (0.0, False)

    def clear(self, verification_id: str, through: int) -> None:
        """Forget the notes up to this number, soon: where that is lost, they are told again, which may be."""
        if key := self._ids.ledger_of(verification_id):
            self._ledgers.note(key, partial(_clear, verification_id, through), lost=lambda: None)


def _look(verification_id: str, ledger: Ledger | None, now: Instant) -> tuple[Ledger | None, tuple[float, bool]]:
    verification = ledger.noted(verification_id) if ledger else None
    if ledger is None or verification is None:
        return None, (0.0, False)
    if verification.status == Status.PENDING and verification.age(now) == math.inf:  # a clock is behind, for a while
        return None, (verification.life, bool(verification.notes))
    has_expired = verification.status == Status.PENDING and verification.seen_at(now) is not verification
    owes = bool(verification.notes) or has_expired
    return ledger if has_expired else None, (verification.code_left(now), owes)


def _clear(verification_id: str, through: int, ledger: Ledger | None, _: Instant) -> tuple[Ledger | None, None]:
    verification = ledger.noted(verification_id) if ledger else None
    return (notes.without(ledger, verification, through) if ledger and verification else None), None
