"""What the core needs from outside: a store, channels, a clock, and listeners. Nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol, runtime_checkable

from otp_app.core.events import Event


class Instant(NamedTuple):
    """One reading of the clock. Ages are taken from `uptime` within one boot, from `wall` across boots."""

    wall: float  # seconds since the epoch
    boot: str  # names this boot of this machine; "" where the system does not tell
    uptime: float  # seconds since that boot, time asleep included; never set back


Clock = Callable[[], Instant]


class Swap(NamedTuple):
    """The answer of a compare-and-swap."""

    won: bool
    found: bytes | None  # what is under the key now: the new value when won, what was there instead when lost


class Store(Protocol):
    """Where records rest. Three verbs; no store knows a rule.

    Keys are ASCII of at most 100 characters, values at most 8 KiB, lifetimes (`ttl`) seconds. An entry whose
    lifetime is over is absent for every verb. All verbs raise StoreUnavailable within 3 s when they cannot do
    their work, and may be called from any thread.
    """

    def get(self, key: str) -> bytes | None:
        """Return the value under a key."""

    def swap(self, key: str, old: bytes | None, new: bytes | None, ttl: float) -> Swap:
        """Put `new` under the key if `old` is what is there now (None: nothing), in one atomic step.

        `new` None deletes. When won, the change survives the process (and, by default, the machine).
        """

    def add(self, key: str, amount: int, ttl: float) -> int:
        """Add to a counter in one atomic step and return its new value.

        A counter that is absent starts at 0 and lives `ttl` seconds from then; adding 0 only reads.
        Counters and values are apart: the same key in both does not collide.
        """

    def ping(self) -> None:
        """Return when the store can both write and read."""

    def sweep(self, limit: int) -> int:
        """Delete at most `limit` entries whose lifetime is over; return how many went."""

    def close(self) -> None:
        """Give up connections and threads. Changes already answered are kept."""


class Item(NamedTuple):
    """An entry or a counter of a store, on its way to another store."""

    key: str
    value: bytes | int  # a counter's sum is a number
    ttl: float  # seconds of its life that are left


class Freeze(StrEnum):
    """Why a store takes no swap."""

    MOVING = "moving"  # it is being copied to another
    MOVED = "moved"  # it has been copied: what it has is out of date
    FILLING = "filling"  # another is being copied to it

    @classmethod
    def _missing_(cls, _: object) -> Freeze:
        """Take what only a newer version knows for the strictest."""
        return cls.MOVED

    @property
    def says(self) -> str:
        """The sentence for whoever is refused."""
        return f"The store is frozen: {_FREEZES[self]}"

    @property
    def holds(self) -> bool:
        """Whether what the store has is what holds, so that it may be read."""
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


ANY = Hold(Freeze.MOVED, "*")  # as `was`: whatever is there


@runtime_checkable
class Movable(Protocol):
    """A store that can be read as a whole and moved to another place. While it is frozen every swap that would change
    something raises StoreUnavailable, in all processes and from one moment on; get too, where what is there is not what
    holds. Counters go on. A freeze lasts until thaw. It names the copy that made it, in letters, digits, `-` and `.`.
    """  # fmt: skip

    def scan(self) -> Iterator[Item]:
        """Yield every entry and counter that lives all the while; what changes meanwhile may be missing or twice."""

    def load(self, items: Iterable[Item], by: str | None = None) -> None:
        """Put these there, in the place of what has the same keys, frozen or not.

        `by`: only while this copy has frozen it. Raises StoreUnavailable, and changes nothing then, if another has.
        """

    def clear(self, by: str | None = None) -> None:
        """Delete all entries and counters, frozen or not; `by` as for load."""

    def size(self) -> int:
        """Return about how many entries and counters there are."""

    def freeze(self, how: Freeze, by: str = "", was: Hold | None = ANY) -> bool:
        """Refuse swaps if `was` is its freeze now (None: none), in one atomic step; return whether it was.

        Once this has returned True, no swap is made any more.
        """

    def thaw(self, was: Hold = ANY) -> bool:
        """Take swaps again if `was` is its freeze now, in one atomic step; return whether it was."""

    def frozen(self) -> Freeze | None:
        """Return how it is frozen; None: not."""

    def hold(self) -> Hold | None:
        """Return how it is frozen and by which copy; None: not."""


@runtime_checkable
class Advising(Protocol):
    """A store whose server has settings of its own, on which safety depends."""

    def refusals(self) -> list[str]:
        """Return a line for each setting with which nobody should run."""

    def advice(self) -> list[str]:
        """Return a line for each setting that could be better."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a channel is to bring to a phone."""

    to: str  # E.164
    code: str
    text: str  # the whole text, the code in it
    ttl: float  # seconds that the code has left to live
    send_id: str  # VL…: ours


class Outcome(StrEnum):
    """What became of a message that was handed to a channel."""

    SENT = "sent"  # the provider took it
    REFUSED = "refused"  # the provider certainly did not take it, or says that it will not arrive
    UNKNOWN = "unknown"  # it may arrive: never send again by itself


class Reason(StrEnum):
    """Why a message was refused."""

    BAD_NUMBER = "bad_number"  # this number cannot get messages on this channel
    BLOCKED = "blocked"  # the provider or its settings do not allow this destination
    SUSPICIOUS = "suspicious"  # the provider takes this destination for fraud
    OPTED_OUT = "opted_out"  # the recipient asked for no more messages
    THROTTLED = "throttled"  # too many requests just now
    ACCOUNT = "provider_account"  # our account, sender or template is not in order
    AUTH = "provider_auth"  # our credentials were not accepted
    UNREACHABLE = "provider_unreachable"  # no connection, so certainly no message
    FAILED = "failed"  # taken, then reported as failed


@dataclass(frozen=True, slots=True)
class Delivery:
    """A channel's answer for one message."""

    outcome: Outcome
    provider_id: str = ""  # the provider's name for the message
    reason: Reason | None = None  # set when refused
    provider_code: int | None = None  # the provider's own error number, for the operator
    retry_after: float | None = None  # seconds, where the provider said so


@dataclass(frozen=True, slots=True)
class Approval:
    """What an accepted code has shown: who checked it held this phone a moment ago."""

    phone: str  # E.164
    purpose: str
    verification_id: str
    channel: str  # on which its last message went
    at: float  # wall clock, seconds


class Channel(Protocol):
    """A way out. One call hands over at most one message."""

    name: str  # what callers say: "sms", "whatsapp", …
    landlines: bool  # whether a fixed line can receive on it

    def deliver(self, message: Message) -> Delivery:
        """Hand the message over within the channel's own deadline. Never raises for a provider's fault."""

    def ping(self) -> None:
        """Raise ChannelDown while the channel is known not to work."""

    def close(self) -> None:
        """Give up connections."""


@runtime_checkable
class CodeMaker(Protocol):
    """A channel that has codes of its own making."""

    def new_code(self) -> str:
        """Return a code of 4 to 10 digits, "" for one of the server's. Raises ChannelDown."""


class Directory(Protocol):
    """Whose number is whose. Any thread may call."""

    def phone(self, user_id: str) -> str | None:
        """Return the number of a user, "" where there is none, None where there is no such user.

        Ids come as apis.users.user_id spells them. Raises DirectoryUnavailable within 3 s.
        """

    def close(self) -> None:
        """Give up connections."""


@runtime_checkable
class Pingable(Protocol):
    """A directory that can be looked into without a user."""

    def ping(self) -> None:
        """Raise DirectoryUnavailable within 3 s while users cannot be looked up."""


Listener = Callable[[Event], None]
ApprovalListener = Callable[[Approval], None]
