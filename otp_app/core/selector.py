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
    key: str | None  # the store's key of the ledger; None where neither id nor number was given

    @classmethod
    def of(
        cls, verification_id: str | None, phone_number: str | None, purpose: str | None, *,
        ids: LedgerIds, has_seen: Callable[[str], bool],
    ) -> Selector:  # fmt: skip
        """Return the selector of what a caller has given. Raises InvalidPhone.

        `has_seen` says whether there is surely a ledger under a key. Only a number in its one spelling has one, so such
        a number is not parsed, which would be a tenth of a check.
        """
        phone, key = phone_number, None
        if phone is not None:
            key = ids.ledger(phone) if is_e164(phone) else None
            if not (key and has_seen(key)):
                phone = spelling(phone)
                key = ids.ledger(phone) if phone else None
        if verification_id is not None:
            key = ids.ledger_of(verification_id)
        return cls(verification_id, phone, purpose, key)

    def find(self, ledger: Ledger | None, now: Instant, policy: Policy) -> Verification | None:
        """Return the verification, unless none fits or it ended so long ago that it is forgotten."""
        if ledger is None or (self.phone and ledger.phone != self.phone):
            return None
        by_id, purpose = self.verification_id, self.purpose or DEFAULT_PURPOSE
        found = ledger.by_id(by_id) if by_id else ledger.latest(now, purpose)
        fits = found and self.purpose in (None, found.purpose) and found.ended_for(now) < policy.tombstone
        return found if fits else None
