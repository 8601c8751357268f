"""The jobs of events: each looks after those of one verification, and now and then one keeps the outbox small."""

from __future__ import annotations

from collections.abc import Callable

from otp_app.background.webhooks.delivery import Deliverer
from otp_app.background.webhooks.sender import Sender
from otp_app.core import outbox
from otp_app.core.instant import Clock
from otp_app.core.journal import MARGIN, SOON, job_id
from otp_app.core.moving import Searchable
from otp_app.core.notebook import Notebook
from otp_app.core.notes import owes
from otp_app.core.outbox import Box
from otp_app.core.store import Store
from otp_app.system.logs import log

MOST_WAITING = 100_000  # events; when there are more, the oldest are dead
ELSEWHERE = 600.0  # seconds after which a server without a receiver looks whether another one has done a job


class Caretaker:
    """Does the job of a verification: notes that it expired, and wakes the sender for what it owes."""

    def __init__(
        self, notebook: Notebook, deliverer: Deliverer, sender: Sender, put: Callable[[str, bytes, float], None]
    ) -> None:
        self._notebook, self._deliverer, self._sender, self._put = notebook, deliverer, sender, put

    def look(self, payload: bytes) -> float | None:
        """Return None when nothing can follow, else the seconds until it is to look again.

        Where something is owed, the job is put anew before the sender is woken, so that the last put is the sender's.
        Raises Busy, StoreUnavailable.
        """
        verification_id = payload.decode()
        left, has_notes = self._notebook.look(verification_id)
        if has_notes or self._deliverer.is_owed(verification_id):
            self._put(job_id(verification_id), payload, SOON)
            self._sender.wake(verification_id, is_due=True)
            return None
        return left + MARGIN if left else None


class Bystander:
    """Does the same job where no events are told: it is left to servers that tell them, while they may come to it."""

    def __init__(self, store: Store, notebook: Notebook, clock: Clock) -> None:
        self._store, self._notebook, self._clock = store, notebook, clock

    def look(self, payload: bytes) -> float | None:
        """As Caretaker.look; it changes nothing."""
        verification_id, now = payload.decode(), self._clock()
        owed = self._notebook.of(verification_id)
        if owed and (owes(owed.verification, now) or owed.verification.code_left(now)):
            return ELSEWHERE
        return ELSEWHERE if self._store.get(outbox.key_of(verification_id)) else None


def keep_small(store: Store, most: int = MOST_WAITING) -> int:
    """Declare the oldest events dead where more than `most` wait; return how many. Raises StoreUnavailable."""
    if not isinstance(store, Searchable):
        return 0
    stamps = [(event.at, item.key) for item, box in outbox.boxes(store) for event in box.waiting]
    if len(stamps) <= most:
        return 0
    stamps.sort()
    oldest = stamps[: len(stamps) - most]
    until, keys = oldest[-1][0], dict.fromkeys(key for _, key in oldest)
    died = sum(_end(store, key, until) for key in keys)
    log.error("events: more than %d are waiting, so the %d oldest are dead", most, died)
    return died


def _end(store: Store, key: str, until: float) -> int:
    """Declare the events of a record dead that are as old; where somebody delivers them meanwhile, none."""
    stored = store.get(key)
    box = outbox.decode(stored) if stored is not None else Box("", "")
    old = [event for event in box.waiting if event.at <= until]
    ended = outbox.with_dead(box, old)
    won = bool(old) and store.swap(key, stored, outbox.encode(ended), outbox.lifetime(ended)).won
    return len(old) if won else 0
