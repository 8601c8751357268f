"""What waits to be written, in memory and bounded: endings, and pending verifications that are looked at when they end.

What does not fit is still in the store, which is read again then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from otp_app.core.delivery import Channel
from otp_app.core.endings import Ending, of_notification, of_verification
from otp_app.core.instant import Instant
from otp_app.core.ledger import Ledger, Status, Verification
from otp_app.core.notification import Notification

LATE = 1.0  # seconds after the end of a life, as clocks differ
MOST_WATCHED = 10_000  # 4 MiB
MOST_WAITING = 5_000  # endings

Change = tuple[str, Ledger | Notification | None, Ledger | Notification]  # the store's key, before and after


class Watched(NamedTuple):
    """A pending verification."""

    key: str  # of its ledger
    due: float  # wall clock, when to look at it again


class Gathered:
    """What one process has gathered."""

    def __init__(self, channels: Sequence[Channel]) -> None:
        self._channels = channels
        self._watched: dict[str, Watched] = {}
        self.endings: dict[str, Ending] = {}
        self.left_out = False  # something did not fit: for the caller to set back
        self.lost = 0  # endings that did not fit and are not in the store any more; most were written before

    def take(self, change: Change, now: Instant) -> None:
        """Take a change."""
        key, before, after = change
        if isinstance(after, Notification):
            if ending := of_notification(after, now, self._channels):
                self.put(ending)
            return
        known = {v.id: v for v in (*before.verifications, *before.gone)} if isinstance(before, Ledger) else {}
        for verification in (*after.verifications, *after.gone):
            if known.pop(verification.id, None) is verification:
                continue
            if not verification.left(now):
                self.see(key, after.phone, verification, now)
            if verification.status == Status.PENDING:  # changes that are no news may have followed: the store has them
                self._watch(key, verification, now)
        for forgotten in known.values():  # this change was the last one that had it
            if ending := of_verification(after.phone, forgotten, now, self._channels):
                self.put(ending, is_stored=False)

    def see(self, key: str, phone: str, verification: Verification, now: Instant) -> None:
        """Take a verification as it is stored."""
        if ending := of_verification(phone, verification, now, self._channels):
            self._watched.pop(verification.id, None)
            self.put(ending)
        else:
            self._watch(key, verification, now)

    def _watch(self, key: str, verification: Verification, now: Instant) -> None:
        if len(self._watched) < MOST_WATCHED or verification.id in self._watched:
            left = verification.left(now)
            self._watched[verification.id] = Watched(key, now.wall + (left + LATE if left else 0.0))
        else:
            self.left_out = True

    def put(self, ending: Ending, *, is_stored: bool = True) -> None:
        """Have an ending written, unless a newer one of the same waits."""
        there = self.endings.get(ending.id)
        if there is None and len(self.endings) >= MOST_WAITING:
            self.left_out = True
            self.lost += not is_stored
        elif there is None or there.steps <= ending.steps:
            self.endings[ending.id] = ending

    def due(self, wall: float) -> Iterator[tuple[str, str]]:
        """Yield id and key of each verification whose life has ended: `see` or `unwatch` is to be called of it."""
        yield from [(id_, watched.key) for id_, watched in self._watched.items() if watched.due <= wall]

    def unwatch(self, verification_id: str) -> None:
        """Forget a verification that the store has forgotten: who deleted it has written it."""
        self._watched.pop(verification_id, None)
