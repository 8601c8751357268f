"""Limits per client: flask-limiter's storage over our own store, so that every process counts together.

Without Flask, for APIs that are not HTTP too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Self

from limits import RateLimitItem, parse, parse_many
from limits.limits import GRANULARITIES
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from otp_app.core.errors import LimitReached, StoreUnavailable
from otp_app.core.store import Store

MOST_PASSED = 10_000  # windows remembered, some hundred bytes each
WRONG_KEYS = parse("10/minute")  # of one client


class TooManyRequests(LimitReached):
    """The client asked too often."""

    code = "too_many_requests"
    of = "client"

    @classmethod
    def by(cls, limit: RateLimitItem) -> Self:
        """Return the error for a limit that was reached in the window of now.

        Not from the storage's `get_expiry`: the store may be unavailable by now, and that error would be a 500.
        """
        window = limit.get_expiry()
        return cls("Too many requests from this address", max(window - time.time() % window, 1), limit.amount, window)


class TooManyWrongKeys(LimitReached):
    """The client showed too many keys that are not known."""

    code = "too_many_wrong_keys"
    of = "client"


class StoreStorage(Storage):
    """Fixed windows, aligned to the clock: the number of the window is part of the counter's key.

    A limit that was passed stays passed until its window ends, so such a window is not counted on: a client that asks
    again and again would have all others wait for the store. A store that fails raises StoreUnavailable: a limit that
    cannot be counted refuses.
    """

    STORAGE_SCHEME = ["otp"]  # noqa: RUF012 - the library's own form

    def __init__(self, uri: str, *, store: Store, clock: Callable[[], float] = time.time, **options: Any) -> None:
        super().__init__(uri, **options)
        self._store, self._clock = store, clock
        self._passed: dict[str, int] = {}  # the sum by window

    @property
    def base_exceptions(self) -> type[Exception]:
        """What a fault of the store looks like."""
        return StoreUnavailable

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count in the current window and return the sum; a sum above the limit may be less than the true one."""
        window = self._window(key, expiry)
        if passed := self._passed.get(window):
            return passed
        total = self._store.add(window, amount, expiry)
        if total > _most(key):
            if len(self._passed) >= MOST_PASSED:
                self._passed.clear()
            self._passed[window] = total
        return total

    def get(self, key: str) -> int:
        """Return the sum of the window of now."""
        expiry = _seconds(key)
        return self._store.add(self._window(key, expiry), 0, expiry)

    def get_expiry(self, key: str) -> float:
        """Return when the window of now ends, seconds since the epoch."""
        expiry = _seconds(key)
        return (self._clock() // expiry + 1) * expiry

    def check(self) -> bool:
        """Return whether the store can be used."""
        self._store.ping()
        return True

    def reset(self) -> None:
        """Counters end with their windows; nothing else ends them."""
        return

    def clear(self, key: str) -> None:
        """Take back what the window of now has counted."""
        self._passed.pop(self._window(key, _seconds(key)), None)
        self._store.add(self._window(key, _seconds(key)), -self.get(key), _seconds(key))

    def _window(self, key: str, expiry: int) -> str:
        return f"l:{key}/{int(self._clock() // expiry)}"


def _most(key: str) -> int:
    """Read how many requests a window has, from the end of a limit's key as well."""
    return int(key.rsplit("/", 3)[1])


def _seconds(key: str) -> int:
    """Read the length of a window from the end of a limit's key, `…/AMOUNT/MULTIPLES/GRANULARITY`."""
    _, multiples, granularity = key.rsplit("/", 2)
    return int(multiples) * GRANULARITIES[granularity].GRANULARITY.seconds


class WrongKeys:
    """Counts the credentials of each client that are not known."""

    def __init__(self, store: Store) -> None:
        self._limiter = FixedWindowRateLimiter(StoreStorage("otp://", store=store))

    def count(self, address: str) -> None:
        """Count one. Raises TooManyWrongKeys after 10 in a minute of one client."""
        if not self._limiter.hit(WRONG_KEYS, "wrong-key", address):
            window = WRONG_KEYS.get_expiry()
            raise TooManyWrongKeys("Too many wrong API keys", float(window), WRONG_KEYS.amount, window)


class ClientLimits:
    """Counts the requests of each client, together with those that flask-limiter counts for guard."""

    def __init__(self, store: Store) -> None:
        self._limiter = FixedWindowRateLimiter(StoreStorage("otp://", store=store))

    def count(self, operation: str, limits: str, address: str) -> None:
        """Count one request: `limits` are those of `operation`, "" none. Raises TooManyRequests.

        As flask-limiter does: the shortest first, and what one refuses the longer ones do not count.
        """
        for limit in sorted(parse_many(limits)) if limits else ():
            if not self._limiter.hit(limit, address, operation):
                raise TooManyRequests.by(limit)
