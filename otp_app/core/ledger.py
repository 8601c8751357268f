"""The ledger: all that the server remembers about one phone number, in one record, so that one swap is atomic.

Records are immutable. core/ledger_json.py has their stored form.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from otp_app.core.instant import Instant

FORMAT = 1
MAX_TOMBSTONES = 8
LONGEST_PROVIDER_ID = 64  # Twilio's have 34

BACKWARDS = 2.0  # seconds that a clock may be behind the one that wrote a stamp


class Status(StrEnum):
    """The state of a verification."""

    PENDING = "pending"
    APPROVED = "approved"
    CANCELED = "canceled"
    EXPIRED = "expired"
    MAX_ATTEMPTS_REACHED = "max_attempts_reached"


class Record(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """A part of a ledger. Of itself it has no reference cycle, so it is nothing for the garbage collector."""

    extra: Mapping[str, Any] = field(default_factory=dict)  # fields that only another version knows


class Report(NamedTuple):
    """What a provider reported of a message that it took."""

    status: str  # a receipts.Status, or one that only another version knows
    at: float  # wall clock, seconds, when it came
    code: int = 0  # the provider's error number, 0 without one


class Note(NamedTuple):
    """An event that its receiver is still to be told of."""

    number: int  # among the events of its verification, from 1
    kind: str  # an events.Kind, or one that only another version knows
    at: float  # wall clock, seconds
    send_id: str = ""  # of the message that it is about
    code: int = 0  # the provider's error number, 0 without one


class Inbound(NamedTuple):
    """A verification whose holder writes a word to us; the ledger is that of the word."""

    channel: str = ""  # by which the right message came
    message_id: str = ""  # the provider's of it
    refused: tuple[str, ...] = ()  # the provider's ids of messages that were wrong attempts


class Origin(NamedTuple):
    """Who asked for a verification or a notification, and what the number showed then."""

    api: str = ""  # its name in OTP_APIS, or that of a command
    key: str = ""  # the name of the API key or account
    country: str = ""  # ISO 3166


NO_ORIGIN = Origin()


class Send(Record, frozen=True):
    """One message handed, or about to be handed, to a channel."""

    id: str
    channel: str
    at: float  # wall clock, seconds
    state: str = "pending"  # then an delivery.Outcome
    generation: int = 0  # of the code in it
    provider_id: str = ""
    reason: str = ""
    error: int = 0  # the provider's number, where it answered with one
    receipts: tuple[Report, ...] = ()  # each a step forward
    route: tuple[str, ...] = ()  # channels that may follow it, in their order; what they need is kept beside it only
    locale: str = ""  # as it was asked for
    profile: str = ""  # names the texts and figures that made it


class Made(NamedTuple):
    """A code that a provider made, and checks."""

    generation: int
    length: int
    provider: str
    id: str = ""  # the provider's of its verification, "" where it is not known
    attempts: int = 0  # that the verification may have, where they are fewer than the policy's


class Verification(Record, frozen=True):
    """One act of proving, for one purpose. Once it has ended it is kept for an hour."""

    id: str
    purpose: str
    key: str  # the id of the key that its code is derived from
    length: int
    begun: Instant
    life: float  # seconds from `begun` until it expires
    status: Status = Status.PENDING
    attempts: int = 0  # wrong ones, each compared
    generation: int = 0  # of the code; each has its own
    chosen: tuple[tuple[int, int, int], ...] = ()  # codes that callers chose: (generation, length, codes.distance)
    made: tuple[Made, ...] = ()  # codes that a provider made
    messages: int = 0  # that left, or may have; of `sends` the older ones may have been forgotten
    out: bool = False  # a message of it has left, or may have
    newest_out: int = 0  # generation of the newest code that has left; of `sends` those with it may be forgotten
    replaces: str = ""  # id of the verification that its beginning ended
    again: bool = False  # approved by an API that accepts codes again, so attempts still count; see Policy.once_only
    end_reported: bool = field(default=False, name="told")  # a check has reported its end; see Policy.report_end_once
    ended_at: float | None = field(default=None, name="over")  # wall clock when it was approved, canceled or exhausted
    sends: tuple[Send, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)  # a caller's own words, see core/tags.py
    app_hash: str = ""  # of the Android app that reads its messages
    notes: tuple[Note, ...] = ()  # where events are told: those that nobody has taken on yet
    noted: int = 0  # the number of the last note, so that none is used twice
    inbound: Inbound | None = None  # it has no code then, and no message of ours
    origin: Origin | None = None  # where a history is kept: who began it

    @property
    def digits(self) -> int:
        """The length of its present code."""
        if made := self.made and self.made_now:
            return made.length
        return self._choice[1] if self._choice else self.length

    @property
    def shortest(self) -> int:
        """The least length that its code has, or may have again where a longer one turns out never to have left."""
        return min([self.length, *self._other_lengths]) if self.chosen or self.made else self.length

    @property
    def longest(self) -> int:
        """The greatest length that its codes have had."""
        lengths = self._other_lengths
        return max(lengths if len(lengths) > self.generation else [*lengths, self.length])

    @property
    def _other_lengths(self) -> list[int]:
        return [length for _, length, _ in self.chosen] + [made.length for made in self.made]

    @property
    def code_offset(self) -> int:
        """How far its present code is from the derived one; see codes.shift_code."""
        return self._choice[2] if self._choice else 0

    @property
    def made_now(self) -> Made | None:
        """Its present code, where a provider made it."""
        return next((made for made in self.made if made.generation == self.generation), None)

    @property
    def provider(self) -> str:
        """Who made its present code and checks it; "" for this server."""
        made = self.made and self.made_now
        return made.provider if made else ""

    @property
    def attempts_allowed(self) -> int:
        """Attempts at its present code, where they are fewer than the policy's; else 0."""
        made = self.made and self.made_now
        return made.attempts if made else 0

    @property
    def _choice(self) -> tuple[int, int, int] | None:
        return next((choice for choice in self.chosen if choice[0] == self.generation), None)

    def with_send(self, new: Send) -> Verification:
        """The verification with this send put in place of the one with its id."""
        return replace(self, sends=tuple(new if send.id == new.id else send for send in self.sends))

    def with_message_out(self, send: Send) -> Verification:
        """The verification with a send whose message has left, or may have."""
        newest = max(self.newest_out, send.generation)
        changed = replace(self.with_send(send), out=True, newest_out=newest)
        return changed.with_provider_id(send.generation, send.provider_id)

    def with_provider_id(self, generation: int, provider_id: str) -> Verification:
        """The verification with the id that the provider of this code gave it, "" where that is not known.

        With each message the provider may have begun anew, so an earlier id says nothing then.
        """
        made = (made._replace(id=provider_id) if made.generation == generation else made for made in self.made)
        return replace(self, made=tuple(made)) if self.made else self

    def age(self, now: Instant) -> float:
        """Seconds since it began. Within one boot no change of the clock matters; a future stamp is too old."""
        if self.begun.boot and self.begun.boot == now.boot:
            return now.uptime - self.begun.uptime
        passed = now.wall - self.begun.wall
        return max(passed, 0.0) if passed >= -BACKWARDS else math.inf

    def left(self, now: Instant) -> float:
        """Seconds of life that are left; 0 once it has ended."""
        return self.code_left(now) if self.status == Status.PENDING else 0.0

    def code_left(self, now: Instant) -> float:
        """Seconds of life that the code has left, whether or not it was used."""
        return max(self.life - self.age(now), 0.0)

    def status_at(self, now: Instant) -> Status:
        """The status, expiry included."""
        return Status.EXPIRED if self.status == Status.PENDING and not self.left(now) else self.status

    def seen_at(self, now: Instant) -> Verification:
        """The verification as it is stored now: once expired it stays so, whatever clocks show after a reboot.

        A beginning in the future says nothing about its age, as the clock of another server may be ahead.
        """
        expired = self.status_at(now) != self.status and self.age(now) < math.inf
        return replace(self, status=Status.EXPIRED) if expired else self

    def is_pending(self, now: Instant) -> bool:
        """Whether a code can still be checked."""
        return self.status_at(now) == Status.PENDING

    def ended_for(self, now: Instant) -> float:
        """Seconds since it ended; negative while it is pending."""
        if self.ended_at is None:
            return self.age(now) - self.life
        return max(now.wall - self.ended_at, 0.0)


class Ledger(Record, frozen=True):
    """Everything remembered about one number."""

    phone: str  # E.164; "" in the ledger of a word until the number is known
    verifications: tuple[Verification, ...] = ()  # oldest first
    sent: tuple[float, ...] = ()  # wall clock of the messages that count for the caps
    last_send: float = 0.0  # wall clock of the message that the gap runs from
    streak: int = 0  # messages without an approval between them
    exhaustions: int = field(default=0, name="deaths")  # verifications in a row that wrong codes ended
    exhausted_at: float = field(default=0.0, name="died")  # wall clock of the last such end
    risk: tuple[tuple[int, int], ...] = ()  # (day, chance spent on wrong attempts that day in units of 1e-10)
    raised: bool = False  # new codes are longer
    given_back: tuple[int, ...] = ()  # days on which a wrong attempt was forgiven
    refusals: tuple[tuple[str, float, str], ...] = ()  # (channel, wall clock, reason) of refusals for the number
    notified: tuple[float, ...] = ()  # wall clock of the notifications that count for the cap of a day
    stopped: float = 0.0  # wall clock when the recipient asked for no more notifications (STOP); 0: never, or undone
    blocked: bool = False  # by the operator: nothing is sent
    awaited: tuple[float, ...] = ()  # wall clock when verifications began for which the number is to write to us
    gone: tuple[Verification, ...] = ()  # forgotten, but for events that are still to be told, and for the history
    seen: Instant | None = None  # the clock at the last change
    format: int = field(default_factory=lambda: FORMAT)  # unlike a plain default it is always stored

    def pending(self, now: Instant) -> Iterator[Verification]:
        """The verifications that can still be checked."""
        return (v for v in self.verifications if v.is_pending(now))

    def latest(self, now: Instant, purpose: str) -> Verification | None:
        """The pending verification of a purpose, or else the last one that has ended."""
        mine = [v for v in self.verifications if v.purpose == purpose]
        return next((v for v in mine if v.is_pending(now)), mine[-1] if mine else None)

    def by_id(self, verification_id: str) -> Verification | None:
        """The verification with this whole id."""
        return next((v for v in self.verifications if v.id == verification_id), None)

    def noted(self, verification_id: str) -> Verification | None:
        """The verification with this whole id, forgotten or not, for who tells of its events or keeps the history."""
        return self.by_id(verification_id) or next((v for v in self.gone if v.id == verification_id), None)

    def by_send(self, send_id: str) -> tuple[Verification, Send] | None:
        """The verification and the send with this send id."""
        return next(((v, s) for v in self.verifications for s in v.sends if s.id == send_id), None)

    def seen_at(self, now: Instant) -> Ledger:
        """The ledger as it is stored now."""
        return replace(self, seen=now, verifications=tuple(v.seen_at(now) for v in self.verifications))

    def with_verification(self, new: Verification, **changes: Any) -> Ledger:
        """The ledger with this verification put in place of the one with its id, or added, and with other changes."""
        verifications = tuple(new if v.id == new.id else v for v in self.verifications)
        if new not in verifications:
            verifications = (*verifications, new)
        return replace(self, verifications=verifications, **changes)
