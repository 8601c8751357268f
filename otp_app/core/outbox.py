"""The outbox: events that their receiver did not take, one record a verification, in the order in which they happened.

Pure functions; nothing here has a code, and a whole number only where the operator wants it in events.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from otp_app.core.ledger import Note, Verification
from otp_app.core.moving import Item, Searchable
from otp_app.core.notes import LIFE
from otp_app.core.policy import DAY, HOUR

OUTBOX = "e:"  # the store's keys of these records begin with it
MAX_BYTES = 8192  # as much as stores take
PAUSES = (1.0, 5.0, 30.0, 120.0, 600.0, 1800.0, HOUR)  # seconds before each further attempt; the last one repeats
JITTER = 0.2  # of a pause, at most added to it
DEAD_KEPT = 7 * DAY  # seconds for which the command line lists what nobody took
MOST_DEAD = 50  # of a verification; more are counted only


class Waiting(NamedTuple):
    """An event with what is told of its message."""

    number: int
    kind: str
    at: float  # wall clock, seconds
    send_id: str = ""
    channel: str = ""
    provider_id: str = ""
    reason: str = ""
    code: int = 0  # the provider's error number


class Dead(NamedTuple):
    """An event that its receiver did not take in time."""

    number: int
    kind: str
    at: float


class Box(Struct, frozen=True, omit_defaults=True, gc=False):
    """What is to be told of one verification."""

    to: str  # the number as events show it
    purpose: str
    tags: Mapping[str, str] = field(default_factory=dict)
    last: int = 0  # number of the last event that was put in
    attempts: int = 0  # in a row that the receiver did not take
    waiting: tuple[Waiting, ...] = ()
    dead: tuple[Dead, ...] = ()
    dead_count: int = 0  # those that are not listed any more included


_DECODER, _ENCODER = msgspec.json.Decoder(Box), msgspec.json.Encoder()


def key_of(verification_id: str) -> str:
    """Return the store's key of a verification's record."""
    return OUTBOX + verification_id


def decode(data: bytes) -> Box:
    """Read what encode wrote. Raises ValueError for anything else."""
    return _DECODER.decode(data)


def encode(box: Box) -> bytes:
    """Return the bytes to store, at most 8 KiB: where it is more, the oldest events are dead, or else forgotten."""
    while len(data := _ENCODER.encode(box)) > MAX_BYTES and (box.waiting or box.dead):
        box = with_dead(box, box.waiting[:1]) if box.waiting else replace(box, dead=())
    return data


def boxes(store: Searchable) -> Iterator[tuple[Item, Box]]:
    """Yield the records of a store that can be read, each with its entry. Raises StoreUnavailable."""
    for item in store.entries(OUTBOX):
        if isinstance(item.value, bytes):
            with suppress(ValueError):
                yield item, decode(item.value)


def lifetime(box: Box) -> float:
    """Return the seconds for which the record is needed."""
    return DEAD_KEPT if box.dead_count else LIFE + HOUR


def added(box: Box, verification: Verification) -> Box:
    """Return the box with the events of these notes, each once however often this is done."""
    fresh = [_waiting(verification, note) for note in verification.notes if note.number > box.last]
    if not fresh:
        return box
    return replace(box, waiting=(*box.waiting, *fresh), last=fresh[-1].number, tags=verification.tags or box.tags)


def addressed(box: Box, to: str) -> Box:
    """Return the box with a number where it has none: who writes to us is known only once they have."""
    return box if box.to else replace(box, to=to)


def taken(box: Box, through: int) -> Box:
    """Return the box without the events up to this number, which the receiver took."""
    if not through:
        return box
    return replace(box, waiting=tuple(event for event in box.waiting if event.number > through), attempts=0)


def failed(box: Box) -> Box:
    """Return the box after one more attempt that the receiver did not take."""
    return replace(box, attempts=box.attempts + 1)


def without_old(box: Box, wall: float) -> Box:
    """Return the box in which events are dead that could not be told of for a day."""
    return with_dead(box, [event for event in box.waiting if wall - event.at >= LIFE])


def with_dead(box: Box, events: Sequence[Waiting]) -> Box:
    """Return the box in which these of its events are dead."""
    if not events:
        return box
    dead = (*box.dead, *(Dead(event.number, event.kind, event.at) for event in events))[-MOST_DEAD:]
    waiting = tuple(event for event in box.waiting if event not in events)
    return replace(box, waiting=waiting, dead=dead, dead_count=box.dead_count + len(events))


def pause(attempts: int, chance: float, retry_after: float = 0.0) -> float:
    """Return the seconds until the next attempt, after so many; `chance` (0 to 1) spreads them. A receiver may ask for
    more, up to an hour.
    """  # fmt: skip
    base = PAUSES[min(max(attempts, 1), len(PAUSES)) - 1]
    return max(base, min(retry_after, HOUR)) * (1 + JITTER * chance)


def _waiting(verification: Verification, note: Note) -> Waiting:
    send = next((send for send in verification.sends if send.id == note.send_id), None)
    event = Waiting(note.number, note.kind, note.at, note.send_id, code=note.code)
    if send is None:
        return event
    provider_id = send.provider_id.encode(errors="replace").decode()  # it may have half of a surrogate pair
    return event._replace(channel=send.channel, provider_id=provider_id, reason=send.reason)
