"""Endings: what is known of a verification or a notification once it has ended. Pure functions; none has the code.

The history keeps a row of each, and metrics count by the same words: what they mean is said here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from msgspec.structs import replace

from otp_app.core import receipts
from otp_app.core.delivery import Channel, ErrorClass, Outcome, arrives_at_once, explain
from otp_app.core.instant import Instant
from otp_app.core.ledger import NO_ORIGIN, Origin, Send, Status, Verification
from otp_app.core.notification import Notification
from otp_app.core.phone import country_of


class Kind(StrEnum):
    """What has ended."""

    VERIFICATION = "verification"
    NOTIFICATION = "notification"


#: the outcome of a verification of which no message left: every channel refused it
REFUSED = "refused"
LONGEST_ID = 64  # of a provider; Twilio's have 34 characters
_WITHOUT_AN_ANSWER = (Status.EXPIRED, Status.CANCELED)


class Message(NamedTuple):
    """What became of one message."""

    id: str
    channel: str
    at: float  # wall clock, seconds
    delivery: str  # the last that its provider reported, else what it answered
    error_code: int  # the provider's, 0 without one
    delivered_after: float | None  # seconds until it was on the phone
    locale: str
    provider_id: str = ""  # the provider's name for it; rows of older versions have none

    @property
    def has_left(self) -> bool:
        """Whether it left, or may have."""
        return self.delivery != Outcome.REFUSED


class Ending(NamedTuple):
    """A verification or a notification that has ended."""

    id: str
    kind: Kind
    origin: Origin
    subject: str  # the purpose, or the name of the template
    phone: str  # E.164; "" where nobody wrote to us
    country: str  # ISO 3166
    outcome: str  # a ledger.Status or REFUSED; of a notification a notification.Status
    error: str  # class of the last error of a message: an ErrorClass, or a delivery.Reason where nobody explains it
    error_code: int
    begun: float  # wall clock, seconds
    ended: float
    delivered_after: float | None  # seconds from the beginning until a message of it was on the phone
    approved_after: float | None
    attempts: int  # wrong ones
    digits: int  # of the code
    tags: Mapping[str, str]
    messages: tuple[Message, ...]  # oldest first
    channel: str  # of the last message that left or may have; else of the last one; else by which its holder wrote
    steps: int  # how much has happened: of two endings of one id the one with more is the newer

    @property
    def delivery(self) -> str:
        """What became of the message that got furthest: "" without one."""
        return max((message.delivery for message in self.messages), key=_place, default="")

    @property
    def is_sent(self) -> bool:
        """Whether a message left, or may have."""
        return any(message.has_left for message in self.messages)

    @property
    def is_delivered(self) -> bool:
        """Whether a message of it was on the phone."""
        return self.delivery in receipts.ARRIVED


def of_verification(
    phone: str, verification: Verification, now: Instant, channels: Iterable[Channel]
) -> Ending | None:
    """Return how a verification has ended; None while it is pending."""
    verification = verification.seen_at(now)
    if verification.is_pending(now):
        return None
    verification = replace(verification, status=verification.status_at(now))  # where a clock is behind, not yet stored
    begun, ended = verification.begun.wall, verification.ended_at
    if ended is None:
        ended = begun + verification.life
    approved = verification.status == Status.APPROVED
    at_once = _at_once(channels)
    messages = tuple(_message(send, at_once) for send in verification.sends)
    error, code = _error(verification.sends, channels)
    inbound = verification.inbound
    return Ending(
        verification.id, Kind.VERIFICATION, verification.origin or NO_ORIGIN, verification.purpose, phone,
        _country(verification.origin, phone),
        outcome=outcome_of(verification, messages),
        error=error, error_code=code,
        begun=begun, ended=ended,
        delivered_after=_arrival(verification.sends, begun, at_once),
        approved_after=max(round(ended - begun, 3), 0.0) if approved else None,
        attempts=verification.attempts,
        digits=verification.digits,
        tags=verification.tags,
        messages=messages,
        channel=_channel(messages) or (inbound.channel if inbound else ""),
        steps=_steps(verification.sends) + verification.attempts,
    )


def of_notification(record: Notification, now: Instant, channels: Iterable[Channel]) -> Ending | None:
    """Return how a notification has ended; None while a message of it can follow."""
    if record.ended_at is None:
        return None
    at_once = _at_once(channels)
    messages = tuple(_message(send, at_once) for send in record.sends)
    error, code = _error(record.sends, channels)
    return Ending(
        record.id, Kind.NOTIFICATION, record.origin or NO_ORIGIN, record.template, record.phone,
        _country(record.origin, record.phone),
        outcome=record.status(now),
        error=error or record.reason, error_code=code,
        begun=record.at, ended=record.ended_at,
        delivered_after=_arrival(record.sends, record.at, at_once),
        approved_after=None,
        attempts=0, digits=0, tags={},
        messages=messages,
        channel=_channel(messages),
        steps=_steps(record.sends),
    )


def outcome_of(verification: Verification, messages: Iterable[Message]) -> str:
    """Return the outcome of a verification that has ended."""
    states = [message.has_left for message in messages]
    was_refused = states and not any(states) and not verification.out
    return REFUSED if was_refused and verification.status in _WITHOUT_AN_ANSWER else verification.status


def _at_once(channels: Iterable[Channel]) -> frozenset[str]:
    return frozenset(channel.name for channel in channels if arrives_at_once(channel))


def _message(send: Send, at_once: frozenset[str]) -> Message:
    known = send.receipts[-1].status if send.receipts else send.state
    if known == Outcome.SENT and send.channel in at_once:
        known = receipts.Status.DELIVERED
    return Message(
        send.id, send.channel, send.at,
        delivery=Outcome.UNKNOWN if known == "pending" else known,
        error_code=send.receipts[-1].code if send.receipts else send.error,
        delivered_after=_arrival((send,), send.at, at_once),
        locale=send.locale,
        provider_id=send.provider_id[:LONGEST_ID],
    )


def _arrival(sends: Iterable[Send], since: float, at_once: frozenset[str]) -> float | None:
    """Return the seconds until the first of these messages was on the phone, or where else its channel shows it."""
    arrived = [report.at for send in sends for report in send.receipts if report.status in receipts.ARRIVED]
    arrived += [send.at for send in sends if send.channel in at_once and send.state == Outcome.SENT]
    return max(round(min(arrived) - since, 3), 0.0) if arrived else None


def _error(sends: tuple[Send, ...], channels: Iterable[Channel]) -> tuple[str, int]:
    """Return the class and the provider's number of the last error; an empty class where no message failed."""
    for send in reversed(sends):
        report = send.receipts[-1] if send.receipts else None
        is_dead = report is not None and report.status in receipts.DEAD
        if is_dead or (report is None and send.state == Outcome.REFUSED):
            number = report.code if report else send.error
            meaning = explain(channels, send.channel, number)
            return (meaning.error_class if meaning else send.reason or ErrorClass.UNKNOWN), number
    return "", 0


def _channel(messages: tuple[Message, ...]) -> str:
    left = [message.channel for message in messages if message.has_left]
    return (left or [message.channel for message in messages] or [""])[-1]


def _country(origin: Origin | None, phone: str) -> str:
    if origin and origin.country:
        return origin.country
    return country_of(phone) if phone else ""


def _steps(sends: Iterable[Send]) -> int:
    return sum(2 + (send.state != "pending") + receipts.rank(send) for send in sends)


#: what is known of a message, the worst first; a word that only another version knows is on its way
_WORST_FIRST = (
    *(Outcome.REFUSED, receipts.Status.FAILED, receipts.Status.CANCELED, receipts.Status.UNDELIVERED, Outcome.UNKNOWN),
    *("", Outcome.SENT, receipts.Status.DELIVERED, receipts.Status.READ),
)
_PLACES: dict[str, int] = {word: place for place, word in enumerate(_WORST_FIRST)}


def _place(delivery: str) -> int:
    return _PLACES.get(delivery, _PLACES[""])
