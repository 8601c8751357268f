"""What happened, for logs, metrics and audit: never a code, and a whole number only in an Approval."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from msgspec import Struct

log = logging.getLogger(__name__)


class Kind(StrEnum):
    """What a receiver of events is told of."""

    MESSAGE_SENT = "message.sent"  # a channel took it
    MESSAGE_DELIVERED = "message.delivered"
    MESSAGE_READ = "message.read"
    MESSAGE_UNDELIVERED = "message.undelivered"
    MESSAGE_FAILED = "message.failed"  # a channel refused it, or its provider gave it up
    CREATED = "verification.created"
    APPROVED = "verification.approved"
    CANCELED = "verification.canceled"
    EXPIRED = "verification.expired"
    MAX_ATTEMPTS_REACHED = "verification.max_attempts_reached"


class Event(Struct, frozen=True):
    """An event of one verification."""

    verification_id: str
    to: str  # masked
    purpose: str


class Started(Event, frozen=True):
    """A verification started: its first message is about to leave (`way` code), or to come from the user (inbound)."""

    way: str


class Sent(Event, frozen=True):
    """A channel took a message, or may have taken it (`outcome` unknown)."""

    send_id: str
    channel: str
    outcome: str
    provider_id: str


class Refused(Event, frozen=True):
    """A channel refused a message."""

    send_id: str
    channel: str
    reason: str
    provider_code: int | None
    explanation: str  # what the number means and what helps, "" where nobody says


class Delivered(Event, frozen=True):
    """A provider reported that a message arrived (`status` delivered) or was opened (read)."""

    send_id: str
    channel: str
    provider_id: str
    status: str


class Undelivered(Event, frozen=True):
    """A provider that took a message reported that it will not arrive."""

    send_id: str
    channel: str
    provider_id: str
    status: str
    provider_code: int | None
    error_class: str
    explanation: str  # as in Refused


class Checked(Event, frozen=True):
    """An attempt was compared: approved, pending (wrong, attempts left) or max_attempts_reached."""

    status: str


class NotChecked(Event, frozen=True):
    """An attempt was not compared: what it is for has ended, or there is none (then all fields are "")."""


class Canceled(Event, frozen=True):
    """A verification was canceled by its caller."""


class OutcomeLost(Event, frozen=True):
    """A message was handed over, but its outcome could not be written to the store."""

    send_id: str


@dataclass(frozen=True, slots=True)
class Approval:
    """What an accepted code has proved: the person who checked it held this phone a moment ago."""

    phone: str  # E.164
    purpose: str
    verification_id: str
    channel: str  # of its last message
    at: float  # wall clock, seconds


Listener = Callable[[Event], None]
ApprovalListener = Callable[[Approval], None]


def tell(listeners: Sequence[Callable[[Any], None]], what: Event | Approval) -> None:
    """Tell listeners, each whatever another one does."""
    for listener in listeners:
        try:
            listener(what)
        except Exception:
            log.exception("a listener failed")
