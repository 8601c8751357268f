"""What happened, for whoever listens: logs, metrics, audit. Never a code, never a whole number."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to one verification."""

    verification_id: str
    to: str  # masked
    purpose: str


@dataclass(frozen=True, slots=True)
class Sent(Event):
    """A message was handed to a channel: taken, or taken as far as anybody knows (`outcome` unknown)."""

    send_id: str
    channel: str
    outcome: str
    provider_id: str


@dataclass(frozen=True, slots=True)
class Refused(Event):
    """A channel did not take a message."""

    send_id: str
    channel: str
    reason: str
    provider_code: int | None


@dataclass(frozen=True, slots=True)
class Checked(Event):
    """A guess was looked at: approved, pending (wrong, tries left) or max_attempts_reached."""

    status: str


@dataclass(frozen=True, slots=True)
class Canceled(Event):
    """A verification was canceled by its caller."""


@dataclass(frozen=True, slots=True)
class OutcomeLost(Event):
    """A message was handed over, but what became of it could not be written to the store."""

    send_id: str
