"""What is looked up when metrics are read: what waits in the store, of all servers on it."""

from __future__ import annotations

import time

from otp_app.core import outbox
from otp_app.core.errors import StoreUnavailable
from otp_app.core.jobs import KeepsJobs
from otp_app.core.moving import Searchable
from otp_app.core.store import Store
from otp_app.monitoring.metrics.families import BUILD, DEAD, EVENTS, JOBS, OVERDUE, START
from otp_app.system.logs import warn_seldom
from otp_app.version import __version__

EVENTS_EVERY = 30.0  # seconds: to count them, all records of events are read

#: by the name of a gauge, the value of each label and the number
Found = dict[str, tuple[tuple[str, ...], float]]


class Gauges:
    """Looks at the store. One that is not available has no gauges meanwhile."""

    def __init__(self, store: Store | None, begun: float, *, tells_events: bool) -> None:
        """`begun`: when counting began, seconds since the epoch."""
        self._store, self._begun, self._tells_events = store, begun, tells_events
        self._events: Found = {}
        self._look_again = 0.0

    def read(self) -> Found:
        """Return the gauges that are known."""
        found: Found = {BUILD.name: ((__version__,), 1.0), START.name: ((), self._begun)}
        try:
            return found | self._jobs() | self._of_events()
        except StoreUnavailable as error:
            warn_seldom(f"metrics: {error}")
            return found

    def _jobs(self) -> Found:
        if not isinstance(self._store, KeepsJobs):
            return {}
        due = self._store.jobs.next_in()
        overdue = max(-due, 0.0) if due is not None else 0.0
        return {JOBS.name: ((), float(self._store.jobs.waiting())), OVERDUE.name: ((), overdue)}

    def _of_events(self) -> Found:
        if not self._tells_events or not isinstance(self._store, Searchable) or time.monotonic() < self._look_again:
            return self._events
        waiting = dead = 0
        for _, box in outbox.boxes(self._store):
            waiting, dead = waiting + len(box.waiting), dead + box.dead_count
        self._look_again = time.monotonic() + EVENTS_EVERY
        self._events = {EVENTS.name: ((), float(waiting)), DEAD.name: ((), float(dead))}
        return self._events
