"""What a refused send gives back: its slot in the caps, the gap, and what its beginning had ended. Pure functions."""

from __future__ import annotations

from msgspec.structs import replace

from otp_app.core.delivery import Outcome, Reason
from otp_app.core.instant import Instant
from otp_app.core.ledger import Ledger, Send, Status, Verification

#: Refusals that are about the number: they keep the gap and are believed for a while, so that asking again
#: makes no provider calls.
ABOUT_THE_NUMBER = {Reason.BAD_NUMBER, Reason.BLOCKED, Reason.SUSPICIOUS, Reason.OPTED_OUT}
#: Refusals that keep the slot in the caps too: causing them should not bring more attempts, and a message that the
#: provider took and then failed may have cost something.
SLOT_KEPT = {Reason.SUSPICIOUS, Reason.OPTED_OUT, Reason.FAILED}
GAP_KEPT = ABOUT_THE_NUMBER | SLOT_KEPT


def without(stamps: tuple[float, ...], stamp: float) -> tuple[float, ...]:
    """Return the stamps with one of these fewer."""
    at = stamps.index(stamp) if stamp in stamps else len(stamps)
    return stamps[:at] + stamps[at + 1 :]


def release_slot(ledger: Ledger, now: Instant, verification: Verification, send: Send, reason: Reason) -> Ledger:
    """Take back what a refused send had counted, and the verification if no message of it can have arrived.

    The provider's answer may be late. A step is taken back only where nothing happened since: a verification that has
    ended stays as it ended, and a later message keeps its gap. After attempts, slot and gap stay too: a provider's
    outage must not make sends, and so attempts, free.
    """
    verification = replace(verification, messages=verification.messages - 1)
    ledger = ledger.with_verification(verification)
    if not verification.attempts:
        ledger = _counted_less(ledger, verification, send, reason)
    none_left = not verification.out and all(s.state == Outcome.REFUSED for s in verification.sends)
    if none_left and verification.status == Status.PENDING:
        ledger = _restore_previous(ledger, now, verification)
        if verification.noted or verification.origin:  # who heard of its beginning hears of its end
            ended = replace(verification, status=Status.CANCELED, ended_at=now.wall)
            ledger = replace(ledger, gone=(*ledger.gone, ended))
        return replace(ledger, verifications=tuple(v for v in ledger.verifications if v.id != verification.id))
    return ledger.with_verification(replace(verification, generation=_generation_out(verification)))


def _counted_less(ledger: Ledger, verification: Verification, send: Send, reason: Reason) -> Ledger:
    """Give back the slot of a refused send, and the gap where its reason allows that."""
    if reason not in SLOT_KEPT:
        ledger = replace(ledger, sent=without(ledger.sent, send.at))
    if reason in GAP_KEPT:
        return ledger
    if ledger.last_send == send.at:
        kept = (at for _, at, _ in ledger.refusals)  # those about the number keep their gap, though not their slot
        ledger = replace(ledger, last_send=max((*ledger.sent, *kept), default=0.0))
    since = _first_step(verification, send)
    if any(v.status == Status.APPROVED and (v.ended_at or 0.0) >= since for v in ledger.verifications):
        return ledger  # the approval began the streak anew, this send's part of it included
    return replace(ledger, streak=max(ledger.streak - 1, min(len(ledger.sent), 1)))


def _first_step(verification: Verification, send: Send) -> float:
    """When the first of the refused steps that led to this one began, by the wall clock."""
    first = send.at
    place = [step.id for step in verification.sends].index(send.id)
    for step in reversed(verification.sends[:place]):
        if step.state != Outcome.REFUSED:
            break
        first = min(first, step.at)
    return first


def _generation_out(verification: Verification) -> int:
    """The newest code that may have left: one that never left must not replace the one that the person has."""
    possible = (s.generation for s in verification.sends if s.state != Outcome.REFUSED)
    return max(verification.newest_out, *possible, 0)


def _restore_previous(ledger: Ledger, now: Instant, gone: Verification) -> Ledger:
    """Take back that the send which began `gone` ended the one before it: no message came in its place.

    Only where nothing happened to the purpose since: no attempt, no end, no other verification.
    """
    mine = [v for v in ledger.verifications if v.purpose == gone.purpose]
    before = mine[-2] if len(mine) > 1 and mine[-1].id == gone.id else None
    if before is None or before.id != gone.replaces or gone.attempts or not gone.is_pending(now):
        return ledger
    was_exhausted = ledger.exhaustions and ledger.exhausted_at == before.ended_at
    exhaustions = ledger.exhaustions - 1 if was_exhausted else ledger.exhaustions
    return ledger.with_verification(replace(before, status=Status.PENDING, ended_at=None), exhaustions=exhaustions)
