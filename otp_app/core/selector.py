"""Which verification a caller means: one by its id, or the latest of a number for a purpose."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from otp_app.core.codes import LedgerIds
from otp_app.core.instant import Instant
from otp_app.core.ledger import Ledger, Verification
from otp_app.core.phone import is_e164, spelling
from otp_app.core.policy import Policy
from otp_app.core.results import DEFAULT_PURPOSE


class Selector(Struct, frozen=True):
    """What a caller has given. All that was given must fit."""

    verification_id: str | None
    phone: str | None  # E.164
    purpose: str | None  # None: that of the id, or else login

    @classmethod
    def of(
        cls, verification_id: str | None, phone_number: str | None, purpose: str | None, *,
        has_ledger: Callable[[str], bool],
    ) -> Selector:
        """Return the selector of what a caller has given. Raises InvalidPhone.

        `has_ledger` says whether a number is known to have one. Only a number in its one spelling has, so such a one is
        not parsed, which would be a tenth of a check.
        """
        if phone_number is not None and not (is_e164(phone_number) and has_ledger(phone_number)):
            phone_number = spelling(phone_number)
        return cls(verification_id, phone_number, purpose)

    def key(self, ids: LedgerIds) -> str | None:
        """Return the store's key of its ledger; None where neither id nor number was given."""
        if self.verification_id is not None:
            return ids.ledger_of(self.verification_id)
        return ids.ledger(self.phone) if self.phone else None

    def find(self, ledger: Ledger | None, now: Instant, policy: Policy) -> Verification | None:
        """Return the verification, unless none fits or it ended so long ago that it is forgotten."""
        if ledger is None or (self.phone and ledger.phone != self.phone):
            return None
        by_id, purpose = self.verification_id, self.purpose or DEFAULT_PURPOSE
        found = ledger.by_id(by_id) if by_id else ledger.latest(now, purpose)
        fits = found and self.purpose in (None, found.purpose) and found.ended_for(now) < policy.tombstone
        return found if fits else None
