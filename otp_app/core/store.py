"""What a store does: the contract of every place where records are kept."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from otp_app.core.jobs import NewJob


class Swap(NamedTuple):
    """The answer of a compare-and-swap."""

    won: bool
    found: bytes | None  # the value under the key now: the new one when won, the one that was there instead when lost


class Store(Protocol):
    """Keeps records under keys. No store knows a rule.

    A class of stores is called as `cls(url, clock=clock)`. It raises ValueError for a URL that it cannot use, and
    reaches for its files or servers only when first used.

    Keys are ASCII of at most 100 characters, values at most 8 KiB, lifetimes (`ttl`) seconds. For every method an
    entry is absent once its lifetime has ended. All methods raise StoreUnavailable within 3 s when they cannot do
    their work, and may be called from any thread.
    """

    shared_by: str  # who may share its records: one "process", all of a "machine", or all of a "network"

    @abstractmethod
    def get(self, key: str) -> bytes | None:
        """Return the value under a key."""

    @abstractmethod
    def swap(self, key: str, old: bytes | None, new: bytes | None, ttl: float) -> Swap:
        """Put `new` under the key if `old` is there now (None: nothing), in one atomic step.

        `new` None deletes. When won, the change survives the process (and, by default, the machine).
        """

    @abstractmethod
    def add(self, key: str, amount: int, ttl: float) -> int:
        """Add to a counter in one atomic step and return its new value.

        A counter that is absent starts at 0 and lives `ttl` seconds from then; adding 0 only reads.
        Counters and values are separate: the same key in both does not collide.
        """

    @abstractmethod
    def ping(self) -> None:
        """Return when the store can both write and read."""

    @abstractmethod
    def sweep(self, limit: int) -> int:
        """Delete at most `limit` entries whose lifetime has ended; return how many were deleted."""

    @abstractmethod
    def close(self) -> None:
        """Close connections and end threads. Changes already answered are kept."""


@runtime_checkable
class SwapsLater(Protocol):
    """A store that also makes swaps for which no caller waits."""

    @abstractmethod
    def swap_later(
        self, key: str, old: bytes | None, new: bytes | None, ttl: float, then: Callable[[Swap | None], None]
    ) -> None:
        """Make this swap soon, and call `then` with its answer; with None where it certainly was not made.

        What this process reads or swaps under the key from now on comes after it. The process may end before it is
        made. `then` must return soon, and raise nothing. Raises StoreUnavailable: it will not be made.
        """


@runtime_checkable
class BeginsSwaps(Protocol):
    """A store that makes several swaps of one caller at once, which costs one wait for its disk."""

    @abstractmethod
    def begin_swap(self, key: str, old: bytes | None, new: bytes | None, ttl: float) -> Callable[[], Swap]:
        """Begin to make this swap. What is returned waits for its end; it raises and returns what `swap` does."""


@runtime_checkable
class SwapsWithJobs(Protocol):
    """A store that makes a swap and puts jobs beside it in one atomic step, which costs one wait for its disk."""

    @abstractmethod
    def swap_with_jobs(
        self, key: str, old: bytes | None, new: bytes | None, ttl: float, new_jobs: Sequence[NewJob]
    ) -> Swap:
        """Make this swap, and put these jobs where it is won. Either all is stored or nothing."""


@runtime_checkable
class ServerChecks(Protocol):
    """A store on a server with settings on which safety depends."""

    @abstractmethod
    def faults(self) -> list[str]:
        """Return a line for each setting of the server that endangers records."""

    @abstractmethod
    def advice(self) -> list[str]:
        """Return a line for each setting of the server that could be better."""
