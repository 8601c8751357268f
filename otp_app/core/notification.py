"""The record of a notification: what is still to be sent, what became of each message, and its stored form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

from msgspec import field
from msgspec.structs import replace

from otp_app.core.codes import SID_DIGITS
from otp_app.core.delivery import Outcome
from otp_app.core.follow_transitions import is_awaited
from otp_app.core.instant import Instant
from otp_app.core.ledger import BACKWARDS, Origin, Record, Report, Send
from otp_app.core.ledger_json import MAX_BYTES, Codec
from otp_app.core.policy import DAY
from otp_app.core.receipts import ARRIVED, DEAD
from otp_app.core.receipts import Status as Reported
from otp_app.core.upkeep import clock_set_by, shifted_send

NOTIFICATION = "m:"  # the store's keys of these records begin with it
KEPT = 2 * DAY  # seconds after the end for which it can be read, and late receipts are taken
LIFE = 36_000.0  # seconds after which nothing of it is sent any more, as providers keep a message
FORMAT = 1

_ID = re.compile(f"NT{SID_DIGITS}")


class Status(StrEnum):
    """What became of a notification as a whole."""

    QUEUED = "queued"  # no message has left for certain, and one may
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    UNDELIVERED = "undelivered"  # a provider took it, and gave it up
    FAILED = "failed"  # no channel took it
    UNKNOWN = "unknown"  # it may have left, and is not sent again
    STOPPED = "stopped"  # the recipient wants no notifications


class Notification(Record, frozen=True):
    """One notification to one number."""

    id: str
    phone: str  # E.164
    template: str
    at: float  # wall clock, seconds, when it was queued
    route: tuple[str, ...] = ()  # channels that may still be used, the next one first
    variables: Mapping[str, str] = field(default_factory=dict)  # until no further message can follow
    locale: str = ""
    sends: tuple[Send, ...] = ()  # oldest first; of those that were refused some may have been forgotten
    retries: int = 0  # of the next channel in a row
    due: float = 0.0  # wall clock of the next one
    reason: str = ""  # why it ended, where no message of it says so
    ended_at: float | None = field(default=None, name="over")  # wall clock, since when no message can follow
    seen: Instant | None = None  # the clock at the last change
    origin: Origin | None = None  # where a history is kept: who asked for it
    format: int = field(default_factory=lambda: FORMAT)

    @property
    def key(self) -> str:
        """The store's key."""
        return NOTIFICATION + self.id

    def ended(self, now: Instant, reason: str = "") -> Notification:
        """The notification to which no message can be added; what its texts were made of is erased."""
        return replace(self, ended_at=round(now.wall, 3), reason=reason, variables={}, route=())

    def with_send(self, new: Send) -> Notification:
        """The notification with this send in place of the one with its id, or added."""
        sends = tuple(new if send.id == new.id else send for send in self.sends)
        return replace(self, sends=sends if new in sends else (*sends, new))

    def send(self, send_id: str) -> Send | None:
        """The send with this id."""
        return next((send for send in self.sends if send.id == send_id), None)

    def status(self, now: Instant) -> Status:
        """What became of it: what arrived counts, whatever came after it."""
        reports = {report.status for send in self.sends for report in send.receipts}
        if arrived := reports & ARRIVED:
            return Status.READ if Reported.READ in arrived else Status.DELIVERED
        if self.reason == Status.STOPPED:
            return Status.STOPPED
        return _status_of(self.sends[-1], now, ended=self.ended_at is not None) if self.sends else self._unsent

    @property
    def _unsent(self) -> Status:
        return Status.QUEUED if self.ended_at is None else Status.FAILED

    def lifetime(self, now: Instant) -> float:
        """Seconds after which nobody needs it any more."""
        left = self.at + LIFE - now.wall if self.ended_at is None else self.ended_at - now.wall
        return KEPT + min(max(left, 0.0), LIFE)


def _status_of(last: Send, now: Instant, *, ended: bool) -> Status:
    reported = last.receipts[-1].status if last.receipts else ""
    if reported in DEAD:
        return Status.UNDELIVERED if reported == Reported.UNDELIVERED else Status.FAILED
    if last.state == Outcome.REFUSED:
        return Status.FAILED if ended else Status.QUEUED
    if last.state == "pending" and is_awaited(now, last):
        return Status.QUEUED
    return Status.SENT if last.state == Outcome.SENT else Status.UNKNOWN


_CODEC = Codec(Notification, {Notification: {"sends": Send}})
decode = _CODEC.decode


def encode(notification: Notification) -> bytes:
    """Return the bytes to store: at most 8 KiB, for which the reports and messages that matter least are dropped."""
    while len(data := _CODEC.encode(notification)) > MAX_BYTES and len(notification.sends) > 1:
        notification = _lighter(notification)
    return data


def corrected(notification: Notification, now: Instant) -> Notification:
    """Return the notification with its stamps as the clock of now would have written them; as ledgers are corrected."""
    shift = clock_set_by(notification.seen, now)
    if abs(shift) <= BACKWARDS:
        return notification
    return replace(
        notification,
        at=notification.at + shift,
        due=notification.due + shift if notification.due else 0.0,
        ended_at=notification.ended_at + shift if notification.ended_at is not None else None,
        sends=tuple(shifted_send(send, shift) for send in notification.sends),
        seen=now,
    )


def key_of(notification_id: str) -> str | None:
    """Return the store's key for an id, None where the text is none."""
    return NOTIFICATION + notification_id if _ID.fullmatch(notification_id) else None


def _lighter(notification: Notification) -> Notification:
    for send in notification.sends:
        if len(send.receipts) > 1:
            last: tuple[Report, ...] = send.receipts[-1:]
            return notification.with_send(replace(send, receipts=last))
    refused = next((send for send in notification.sends if send.state == Outcome.REFUSED), notification.sends[0])
    return replace(notification, sends=tuple(send for send in notification.sends if send is not refused))
