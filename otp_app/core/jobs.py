"""Jobs: what has to happen later, at least once, on whichever server is there by then."""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple, Protocol, runtime_checkable

MAX_PAYLOAD = 1024  # bytes
BACKWARDS = 2.0  # seconds that a clock may be behind the one that wrote a job


class NewJob(NamedTuple):
    """A job that is to be put; see Jobs.put."""

    id: str
    payload: bytes
    delay: float  # seconds


class Job(NamedTuple):
    """A job that was taken: nobody else is given it until its lease ends."""

    id: str
    payload: bytes
    lease: str  # names this taking of it


class Jobs(Protocol):
    """Keeps jobs until they are done. It knows nothing of what they are for.

    Ids are ASCII of at most 100 characters, payloads at most MAX_PAYLOAD bytes. What was put survives as long as a
    value of the same store does. A job may be given out twice (its taker was slow, its clock was set), so what it does
    must be guarded elsewhere. All methods raise StoreUnavailable within 3 s when they cannot do their work, while the
    store is frozen too, and may be called from any thread.
    """

    @abstractmethod
    def put(self, job_id: str, payload: bytes, delay: float) -> None:
        """Keep a job that is due in `delay` seconds, in place of the one with its id, even where that is taken now.

        Below 0 it is due as if it had been put so long ago: before others that wait.
        """

    @abstractmethod
    def take(self, lease: float, limit: int) -> list[Job]:
        """Take at most `limit` jobs that are due, the oldest first. They are due again in `lease` seconds.

        Where a clock was set back, jobs that it put later count as due: early is better than hours late.
        """

    @abstractmethod
    def done(self, job: Job) -> bool:
        """Forget a job, unless it was put or taken again since; return whether it is forgotten."""

    @abstractmethod
    def next_in(self) -> float | None:
        """Return the seconds until a job is due, 0 or less where one is due now; None where there are none."""

    @abstractmethod
    def waiting(self) -> int:
        """Return how many jobs there are, those that are taken included."""


@runtime_checkable
class KeepsJobs(Protocol):
    """A store that keeps jobs beside its records."""

    jobs: Jobs
