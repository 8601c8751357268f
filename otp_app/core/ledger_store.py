"""Ledgers in a store: a transition is applied to the ledger of a number in one atomic step."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from threading import Lock

from otp_app.core.errors import Busy, StoreUnavailable
from otp_app.core.instant import Clock, Instant
from otp_app.core.ledger import Ledger, decode, encode
from otp_app.core.policy import Policy
from otp_app.core.retention import lifetime
from otp_app.core.stamps import corrected
from otp_app.core.store import Store
from otp_app.core.swapping import Answer, Keep, Repair, Write, change

#: Takes the stored ledger and the time, returns the ledger to store (None: no change) and the answer for the caller.
Transition = Callable[[Ledger | None, Instant], tuple[Ledger | None, Answer]]

STRIPES = 1024
LOCK_TIMEOUT = 2.5  # seconds: when the store hangs, the requests for one number must not hold all threads
MOST_RECENT = 16_384  # ledgers of half a KiB mostly: more than one busy server has live at a time
BUSY = "Too many requests for this number at once"


class Ledgers:
    """All ledgers, by the store's key of their number."""

    def __init__(self, store: Store, clock: Clock, policy: Policy) -> None:
        self._store, self._clock, self._policy = store, clock, policy
        self._recent: OrderedDict[str, bytes | None] = OrderedDict()  # what this process last saw there
        # Requests of one process for one number queue here instead of losing swaps to each other.
        self._locks = tuple(Lock() for _ in range(STRIPES))

    def find(self, key: str) -> Ledger | None:
        """Return the ledger under a key. Raises StoreUnavailable."""
        found = _read(self._store.get(key))
        return corrected(found, self._clock()) if found else None

    def change(self, key: str, transition: Transition[Answer]) -> Answer:
        """Apply a transition in one atomic step and return its answer.

        Raises what the transition raises (nothing changed then), Busy after too many lost swaps, StoreUnavailable.
        """
        lock = self._locks[hash(key) % STRIPES]
        if not lock.acquire(timeout=LOCK_TIMEOUT):
            raise Busy(BUSY, retry_after=1.0)
        try:
            step, guess = partial(self._step, transition), self._recent.get(key)
            return change(self._store, key, step, guess, proven=False, busy=BUSY, on_swap=self._remember)
        finally:
            lock.release()

    def _step(self, transition: Transition[Answer], stored: bytes | None) -> Keep[Answer] | Write[Answer] | Repair:
        now, found = self._clock(), _read(stored)
        if found and (mended := corrected(found, now)) is not found:
            return Repair(*self._written(mended, now))
        ledger, answer = transition(found, now)
        return Keep(answer) if ledger is None else Write(*self._written(ledger, now), answer)

    def _written(self, ledger: Ledger, now: Instant) -> tuple[bytes, float]:
        ledger = ledger.seen_at(now)
        return encode(ledger), lifetime(ledger, now, self._policy)

    def _remember(self, key: str, value: bytes | None) -> None:
        self._recent[key] = value
        if len(self._recent) > MOST_RECENT:
            self._recent.popitem(last=False)


def _read(data: bytes | None) -> Ledger | None:
    try:
        return decode(data) if data is not None else None
    except ValueError as error:
        raise StoreUnavailable("A record in the store cannot be read") from error
