"""What a store needs beyond its contract, so that all its records can be copied to another store."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple, Protocol, runtime_checkable


class Waiting(NamedTuple):
    """What a job is for."""

    payload: bytes


class Item(NamedTuple):
    """An entry, a counter or a job of a store, on its way to another store."""

    key: str
    value: bytes | int | Waiting  # a counter's sum is a number
    ttl: float  # seconds of its life that are left; of a job, until it is due


class Freeze(StrEnum):
    """Why a store makes no swap."""

    MOVING = "moving"  # it is being copied to another
    MOVED = "moved"  # it has been copied: its records are out of date
    FILLING = "filling"  # another is being copied to it

    @classmethod
    def _missing_(cls, _: object) -> Freeze:
        """Read a word that only a newer version knows as the strictest."""
        return cls.MOVED

    @property
    def message(self) -> str:
        """The sentence for a caller whose swap is not made."""
        return f"The store is frozen: {_FREEZES[self]}"

    @property
    def holds(self) -> bool:
        """Whether the records are current, so that they may be read."""
        return self is Freeze.MOVING


_FREEZES = {
    Freeze.MOVING: "its records are being moved",
    Freeze.MOVED: "its records were moved, so set OTP_STORE_URL to where they are now",
    Freeze.FILLING: "records are being moved to it; if that was broken off, copy again",
}


class Hold(NamedTuple):
    """A freeze, and which copy made it."""

    how: Freeze
    by: str = ""  # names the copy; "" where a version that knows no names made it

    @property
    def name(self) -> str:
        """The copy, for people."""
        return self.by or "unknown"


ANY = Hold(Freeze.MOVED, "*")  # as `was`: any freeze, or none


@runtime_checkable
class Movable(Protocol):
    """A store that can be read as a whole and moved to another place.

    While it is frozen, every swap that would change something raises StoreUnavailable, in all processes and from one
    moment on, and so does what changes jobs; get does too, where the records are not current. Counters still count. A
    freeze lasts until thaw. It names the copy that made it, in letters, digits, `-` and `.`.
    """

    @abstractmethod
    def scan(self) -> Iterator[Item]:
        """Yield each entry, counter and job that lives all the while; one that changes may be missing or come twice."""

    @abstractmethod
    def load(self, items: Iterable[Item], by: str | None = None) -> None:
        """Store these in place of those with the same keys, frozen or not.

        `by`: only while this copy has frozen it. Raises StoreUnavailable, and changes nothing then, if another has.
        """

    @abstractmethod
    def clear(self, by: str | None = None) -> None:
        """Delete all entries, counters and jobs, frozen or not; `by` as for load."""

    @abstractmethod
    def size(self) -> int:
        """Return about how many entries, counters and jobs there are."""

    @abstractmethod
    def freeze(self, how: Freeze, by: str = "", was: Hold | None = ANY) -> bool:
        """Freeze the store if `was` is its freeze now (None: none), in one atomic step; return whether it was.

        Once this has returned True, no swap is made any more.
        """

    @abstractmethod
    def thaw(self, was: Hold = ANY) -> bool:
        """Make swaps again if `was` is its freeze now, in one atomic step; return whether it was."""

    @abstractmethod
    def frozen(self) -> Freeze | None:
        """Return how it is frozen; None: not."""

    @abstractmethod
    def hold(self) -> Hold | None:
        """Return how it is frozen and by which copy; None: not."""


@runtime_checkable
class Searchable(Protocol):
    """A store that finds entries by how their keys begin, and reads no others for that."""

    @abstractmethod
    def entries(self, prefix: str) -> Iterator[Item]:
        """Yield each entry with such a key that lives all the while; one that changes may be missing or come twice."""
