"""The journal: notes the events of every change of a ledger, and has somebody take them to their receiver."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Generic, TypeVar

from otp_app.core import notes
from otp_app.core.errors import StoreUnavailable
from otp_app.core.instant import Instant
from otp_app.core.ledger import Ledger, Verification

log = logging.getLogger(__name__)

EVENTS = "events"  # name of the jobs: one for each verification that owes events
MARGIN = 5.0  # seconds that such a job is late, as clocks differ
SOON = 60.0  # seconds after which it looks after events that the server did not come to

Answer = TypeVar("Answer")
Transition = Callable[[Ledger | None, Instant], tuple[Ledger | None, Answer]]


class Journal:
    """Puts a job before the first swap with notes of a verification, and wakes the sender after each. So a server that
    is killed between any two steps loses no event: the job finds it.
    """  # fmt: skip

    def __init__(self, put: Callable[[str, bytes, float], None], wake: Callable[[str], None]) -> None:
        """`put` is core.jobs.Jobs.put; `wake` gets the id of a verification, returns at once and raises nothing."""
        self._put, self._wake = put, wake

    def watch(self, transition: Transition[Answer], *, later: bool = False) -> Watch[Answer]:
        """Return the transition with notes; its `told` is to be called once it is stored.

        `later`: for a change that a store may repeat in a thread of its own, which must not call the store.
        """
        return Watch(self, transition, later=later)

    def look_after(self, verification: Verification, now: Instant) -> None:
        """Have a job look for the events of a verification. Raises StoreUnavailable."""
        left = verification.code_left(now)
        self._put(job_id(verification.id), verification.id.encode(), left + MARGIN if left else SOON)

    def wake(self, verification_id: str) -> None:
        """Have the events of a verification told now."""
        self._wake(verification_id)


class Watch(Generic[Answer]):
    """A transition that notes events."""

    def __init__(self, journal: Journal, transition: Transition[Answer], *, later: bool) -> None:
        self._journal, self._transition, self._later = journal, transition, later
        self._found: list[notes.Noted] = []
        self._now: Instant | None = None

    def __call__(self, ledger: Ledger | None, now: Instant) -> tuple[Ledger | None, Answer]:
        """Apply the transition."""
        self._found = []
        new, answer = self._transition(ledger, now)
        if new is None:
            return None, answer
        new, self._found = notes.noted(ledger, new, now)
        self._now = now
        if not self._later:
            self._put_jobs(now)
        return new, answer

    def told(self) -> None:
        """Wake the sender for what was noted."""
        if self._later and self._found and self._now:
            try:
                self._put_jobs(self._now)
            except StoreUnavailable:  # the change itself is stored, or lost with its notes
                log.warning("the store keeps no job for an event: if this server is killed now, it is told later")
        for one in self._found:
            self._journal.wake(one.verification.id)

    def _put_jobs(self, now: Instant) -> None:
        """Put the jobs that are not there: before the first note, and once the one of the expiry may be done."""
        for one in self._found:
            if one.is_first or not one.verification.code_left(now):
                self._journal.look_after(one.verification, now)


def job_id(verification_id: str) -> str:
    """Return the id of the job of a verification."""
    return f"{EVENTS}:{verification_id}"
