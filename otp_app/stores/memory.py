"""The store in memory: for one process while it runs."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from threading import Lock
from typing import TypeVar

from otp_app.core.jobs import BACKWARDS, Job, Jobs
from otp_app.core.moving import Item, Searchable
from otp_app.core.store import Store, Swap

T = TypeVar("T")
Lives = dict[str, tuple[T, float]]  # the value under a key, and when its life ends


class MemoryStore(Store, Searchable):
    """The store of `memory://`: for one process while it runs, as in demos and tests.

    A sweep looks at every entry, so that a million of them cost it some ten milliseconds.
    """

    shared_by = "process"

    def __init__(self, url: str = "memory://", clock: Callable[[], float] = time.time) -> None:
        if url != "memory://":
            raise ValueError("the store in memory takes no path and no options: write memory://")
        self._clock, self._lock = clock, Lock()
        self._values: Lives[bytes] = {}
        self._counters: Lives[int] = {}
        self.jobs = MemoryJobs(clock)

    def get(self, key: str) -> bytes | None:
        """Return the value under a key."""
        with self._lock:
            return _living(self._values, key, self._clock())

    def swap(self, key: str, old: bytes | None, new: bytes | None, ttl: float) -> Swap:
        """Replace `old` by `new`; see core.store.Store."""
        with self._lock:
            now = self._clock()
            found = _living(self._values, key, now)
            if found != old:
                return Swap(won=False, found=found)
            if new is None:
                self._values.pop(key, None)
            else:
                self._values[key] = (new, now + ttl)
            return Swap(won=True, found=new)

    def add(self, key: str, amount: int, ttl: float) -> int:
        """Add to a counter; see core.store.Store."""
        with self._lock:
            now = self._clock()
            count = _living(self._counters, key, now)
            if amount:
                end = now + ttl if count is None else self._counters[key][1]
                self._counters[key] = ((count or 0) + amount, end)
            return (count or 0) + amount

    def ping(self) -> None:
        """Return at once: memory can always be written and read."""

    def sweep(self, limit: int) -> int:
        """Delete at most `limit` entries and counters whose lifetime has ended; return how many."""
        with self._lock:
            now = self._clock()
            gone = _sweep(self._values, now, limit)
            return gone + _sweep(self._counters, now, limit - gone)

    def entries(self, prefix: str) -> Iterator[Item]:
        """Yield the entries with such keys; see core.moving.Searchable."""
        with self._lock:
            now = self._clock()
            found = [Item(key, *life) for key, life in self._values.items() if key.startswith(prefix)]
        return (item._replace(ttl=item.ttl - now) for item in found if item.ttl > now)

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._values.clear()
            self._counters.clear()
        self.jobs.clear()


def _living(lives: Lives[T], key: str, now: float) -> T | None:
    value, end = lives.get(key, (None, 0.0))
    return value if end > now else None


def _sweep(lives: Lives[T], now: float, limit: int) -> int:
    ended = list(islice((key for key, (_, end) in lives.items() if end <= now), limit))
    for key in ended:
        del lives[key]
    return len(ended)


@dataclass(slots=True)
class _Kept:
    payload: bytes
    due: float
    put: float
    lease: str = ""

    def is_due(self, now: float) -> bool:
        return self.due <= now or self.put > now + BACKWARDS


class MemoryJobs(Jobs):
    """Jobs beside those records. Each call looks at every job: demos and tests have few."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._lock = clock, Lock()
        self._kept: dict[str, _Kept] = {}

    def put(self, job_id: str, payload: bytes, delay: float) -> None:
        """Keep a job; see core.jobs.Jobs."""
        now = self._clock()
        with self._lock:
            self._kept[job_id] = _Kept(payload, now + delay, now)

    def take(self, lease: float, limit: int) -> list[Job]:
        """Take jobs that are due; see core.jobs.Jobs."""
        now, name = self._clock(), secrets.token_hex(8)
        with self._lock:
            due = sorted(self._due(now), key=lambda job_id: self._kept[job_id].due)[:limit]
            for job_id in due:
                self._kept[job_id] = _Kept(self._kept[job_id].payload, now + lease, now, name)
            return [Job(job_id, self._kept[job_id].payload, name) for job_id in due]

    def done(self, job: Job) -> bool:
        """Forget a job; see core.jobs.Jobs."""
        with self._lock:
            kept = self._kept.get(job.id)
            if kept is None or kept.lease != job.lease:
                return False
            del self._kept[job.id]
            return True

    def next_in(self) -> float | None:
        """Return the seconds until a job is due; see core.jobs.Jobs."""
        now = self._clock()
        with self._lock:
            if any(self._due(now)):
                return 0.0
            return min((kept.due - now for kept in self._kept.values()), default=None)

    def waiting(self) -> int:
        """Return how many jobs there are; see core.jobs.Jobs."""
        return len(self._kept)

    def clear(self) -> None:
        """Forget all jobs."""
        with self._lock:
            self._kept.clear()

    def _due(self, now: float) -> Iterator[str]:
        return (job_id for job_id, kept in self._kept.items() if kept.is_due(now))
