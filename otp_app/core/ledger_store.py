"""Ledgers in a store: guess what is there -> transition -> swap, and again from what is there when the swap lost.

The swap proves the guess, so a stale one costs a second turn and nothing else. What changes nothing has no swap to
prove it, and is answered from a read.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import TypeVar

from otp_app.core.errors import Busy, OtpError, StoreUnavailable
from otp_app.core.instant import Clock, Instant
from otp_app.core.ledger import Ledger, decode, encode
from otp_app.core.policy import Policy
from otp_app.core.retention import lifetime
from otp_app.core.stamps import corrected
from otp_app.core.store import Store, Swap

Answer = TypeVar("Answer")
#: Takes what is stored and the time, returns what to store (None: leave it) and the answer for the caller.
Transition = Callable[[Ledger | None, Instant], tuple[Ledger | None, Answer]]

MOST_LOSSES = 16
STRIPES = 1024
LOCK_TIMEOUT = 2.5  # seconds: when the store hangs, the requests for one number must not hold all threads
MOST_RECENT = 16_384  # ledgers of half a KiB mostly: more than one busy server has live at a time


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
        return found and corrected(found, self._clock())

    def change(self, key: str, transition: Transition[Answer]) -> Answer:
        """Apply a transition in one atomic step and return its answer.

        Raises what the transition raises (nothing changed then), Busy after too many lost races, StoreUnavailable.
        """
        lock = self._locks[hash(key) % STRIPES]
        if not lock.acquire(timeout=LOCK_TIMEOUT):
            raise Busy("Too many requests for this number at once", retry_after=1.0)
        try:
            return self._change(key, transition)
        finally:
            lock.release()

    def _change(self, key: str, transition: Transition[Answer]) -> Answer:
        stored, proven = self._recent.get(key), False
        for _ in range(1 + MOST_LOSSES):  # the first guess may be no more than that
            now, found = self._clock(), _read(stored)
            if found and (mended := corrected(found, now)) is not found:
                stored, proven = self._swap(key, stored, mended, now).found, True
                continue
            try:
                ledger, answer = transition(found, now)
            except OtpError:
                if proven:
                    raise
                ledger = None
            else:
                if ledger is None and proven:
                    return answer
            if ledger is None:
                stored, proven = self._store.get(key), True
                continue
            swap = self._swap(key, stored, ledger, now)
            if swap.won:
                return answer
            stored, proven = swap.found, True
        raise Busy("Too many requests for this number at once", retry_after=1.0)

    def _swap(self, key: str, stored: bytes | None, ledger: Ledger, now: Instant) -> Swap:
        ledger = ledger.seen_at(now)
        swap = self._store.swap(key, stored, encode(ledger), lifetime(ledger, now, self._policy))
        self._recent[key] = swap.found
        if len(self._recent) > MOST_RECENT:
            self._recent.popitem(last=False)
        return swap


def _read(data: bytes | None) -> Ledger | None:
    try:
        return decode(data) if data is not None else None
    except ValueError as error:
        raise StoreUnavailable("A record in the store cannot be read") from error
