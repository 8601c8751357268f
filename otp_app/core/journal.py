"""Who is told of changes of a ledger: the journal, which notes events for a receiver, and a history's recorder."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from otp_app.core import notes
from otp_app.core.errors import StoreUnavailable
from otp_app.core.instant import Instant
from otp_app.core.jobs import NewJob
from otp_app.core.ledger import Ledger

log = logging.getLogger(__name__)

EVENTS = "events"  # name of the jobs: one for each verification that owes events
MARGIN = 5.0  # seconds that such a job is late, as clocks differ
SOON = 60.0  # seconds after which it looks after events that the server did not come to

Answer = TypeVar("Answer")
Record = TypeVar("Record", contravariant=True)
#: Takes the stored ledger and the time, returns the ledger to store (None: no change) and the answer for the caller.
Transition = Callable[[Ledger | None, Instant], tuple[Ledger | None, Answer]]


class Recorder(Protocol[Record]):
    """Keeps a history of records. Its methods return at once and raise nothing."""

    def takes(self, before: Record | None, after: Record) -> bool:
        """Return whether it wants to know of such a change."""

    def changed(self, key: str, before: Record | None, after: Record) -> None:
        """Take a change that is stored."""

    def doubted(self) -> None:
        """Know that the store failed at a change, which it may have made."""


class Journal:
    """Puts a job with the first swap with notes of a verification, or before it, and wakes the sender after each. So a
    server that is killed between any two steps loses no event: the job finds it.
    """  # fmt: skip

    def __init__(self, put: Callable[[str, bytes, float], None], wake: Callable[[str], None]) -> None:
        """`put` is core.jobs.Jobs.put; `wake` gets the id of a verification, returns at once and raises nothing."""
        self._put, self._wake = put, wake

    def watch(
        self, transition: Transition[Answer], *, later: bool = False, with_swap: bool = False
    ) -> Watch[Answer]:
        """Return the transition with notes; its `told` is to be called once it is stored.

        `later`: for a change that a store may repeat in a thread of its own, which must not call the store.
        `with_swap`: for a caller that puts the `jobs` of the watch together with the change.
        """
        return Watch(self, transition, later=later, with_swap=with_swap)

    def put(self, jobs: list[NewJob]) -> None:
        """Put jobs that look for events. Raises StoreUnavailable."""
        for job in jobs:
            self._put(*job)

    def wake(self, verification_id: str) -> None:
        """Have the events of a verification told now."""
        self._wake(verification_id)


class Watch(Generic[Answer]):
    """A transition that notes events."""

    def __init__(self, journal: Journal, transition: Transition[Answer], *, later: bool, with_swap: bool) -> None:
        self._journal, self._transition, self._later, self._with_swap = journal, transition, later, with_swap
        self._found: list[notes.Noted] = []
        self._missing: list[NewJob] = []

    @property
    def jobs(self) -> list[NewJob]:
        """What is to be put with the change."""
        return self._missing if self._with_swap else []

    def __call__(self, ledger: Ledger | None, now: Instant) -> tuple[Ledger | None, Answer]:
        """Apply the transition."""
        self._found, self._missing = [], []
        new, answer = self._transition(ledger, now)
        if new is None:
            return None, answer
        new, self._found = notes.noted(ledger, new, now)
        self._missing = _missing(self._found, now)
        if not (self._later or self._with_swap):
            self._journal.put(self._missing)
        return new, answer

    def told(self) -> None:
        """Wake the sender for what was noted."""
        if self._later:
            try:
                self._journal.put(self._missing)
            except StoreUnavailable:  # the change itself is stored, or lost with its notes
                log.warning("the store keeps no job for an event: if this server is killed now, it is told later")
        for one in self._found:
            self._journal.wake(one.verification.id)


def _missing(found: list[notes.Noted], now: Instant) -> list[NewJob]:
    """Return the jobs that are not there: for the first note, and once the one of the expiry may be done."""
    jobs = []
    for verification, is_first in found:
        left = verification.code_left(now)
        if is_first or not left:
            delay = left + MARGIN if left else SOON
            jobs.append(NewJob(job_id(verification.id), verification.id.encode(), delay))
    return jobs


def job_id(verification_id: str) -> str:
    """Return the id of the job of a verification."""
    return f"{EVENTS}:{verification_id}"
