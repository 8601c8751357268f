"""Notes: the events of a change, found by comparing a ledger with what it was before. Pure functions.

They are stored with the change itself, so an event is neither lost nor told of what did not happen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from msgspec.structs import replace

from otp_app.core import receipts
from otp_app.core.delivery import Outcome
from otp_app.core.events import Kind
from otp_app.core.instant import Instant
from otp_app.core.ledger import Ledger, Note, Send, Status, Verification
from otp_app.core.policy import DAY

LIFE = DAY  # seconds after which nobody is told of an event any more

_ENDS: dict[str, Kind] = {
    Status.APPROVED: Kind.APPROVED,
    Status.CANCELED: Kind.CANCELED,
    Status.EXPIRED: Kind.EXPIRED,
    Status.MAX_ATTEMPTS_REACHED: Kind.MAX_ATTEMPTS_REACHED,
}
_REPORTS: dict[str, Kind] = {
    receipts.Status.DELIVERED: Kind.MESSAGE_DELIVERED,
    receipts.Status.READ: Kind.MESSAGE_READ,
    receipts.Status.UNDELIVERED: Kind.MESSAGE_UNDELIVERED,
    receipts.Status.FAILED: Kind.MESSAGE_FAILED,
    receipts.Status.CANCELED: Kind.MESSAGE_FAILED,
}


class Noted(NamedTuple):
    """A verification that a change has given notes."""

    verification: Verification
    is_first: bool  # it had none before


def noted(before: Ledger | None, after: Ledger, now: Instant) -> tuple[Ledger, list[Noted]]:
    """Return the changed ledger with a note of each event, and the verifications that have new ones."""
    known = {v.id: v for v in (*before.gone, *before.verifications)} if before else {}
    found = []
    for verification in (*after.verifications, *after.gone):
        old = known.get(verification.id)
        seen = verification.seen_at(now)
        if seen is not old and (events := list(_events(old, seen, now))):
            found.append(Noted(_with_notes(seen, events), is_first=seen.noted == 0))
    return (_with(after, [one.verification for one in found]) if found else after), found


def without(ledger: Ledger, verification: Verification, through: int) -> Ledger | None:
    """Return the ledger without the notes of a verification up to this number; None where it has none."""
    left = tuple(note for note in verification.notes if note.number > through)
    if len(left) == len(verification.notes):
        return None
    ledger = _with(ledger, [replace(verification, notes=left)])
    return replace(ledger, gone=tuple(v for v in ledger.gone if v.notes or v.origin))


def _with(ledger: Ledger, changed: list[Verification]) -> Ledger:
    new = {verification.id: verification for verification in changed}
    gone = tuple(new.get(v.id, v) for v in ledger.gone)
    return replace(ledger, verifications=tuple(new.get(v.id, v) for v in ledger.verifications), gone=gone)


def owes(verification: Verification, now: Instant) -> bool:
    """Return whether events are still to be told of, or the note of an end is still to be made."""
    if not verification.noted or verification.ended_for(now) >= LIFE:
        return False
    return bool(verification.notes) or verification.status == Status.PENDING


def _with_notes(verification: Verification, events: list[Note]) -> Verification:
    numbered = (note._replace(number=number) for number, note in enumerate(events, verification.noted + 1))
    notes = (*verification.notes, *numbered)
    return replace(verification, notes=notes, noted=verification.noted + len(events))


def _events(old: Verification | None, new: Verification, now: Instant) -> Iterator[Note]:
    at = round(now.wall, 3)
    if old is None:
        yield Note(0, Kind.CREATED, at)
    known = {send.id: send for send in old.sends} if old else {}
    for send in new.sends:
        if (earlier := known.get(send.id)) is not send:
            yield from _events_of(earlier, send, at)
    if new.status != (old.status if old else Status.PENDING) and new.status in _ENDS:
        yield Note(0, _ENDS[new.status], round(new.begun.wall + new.life, 3) if _ran_out(new) else at)


def _ran_out(verification: Verification) -> bool:
    return verification.status == Status.EXPIRED and verification.ended_at is None


def _events_of(old: Send | None, new: Send, at: float) -> Iterator[Note]:
    state, told = (old.state, old.receipts) if old else ("pending", ())
    if new.state != state and new.state == Outcome.SENT:
        yield Note(0, Kind.MESSAGE_SENT, at, new.id)
    if new.state != state and new.state == Outcome.REFUSED:
        yield Note(0, Kind.MESSAGE_FAILED, at, new.id, new.error)
    for report in new.receipts[len(told) :]:
        if report.status in _REPORTS:
            yield Note(0, _REPORTS[report.status], report.at, new.id, report.code)
