"""What time does to a ledger: what it must remember and for how long, and its stamps when a clock is set.

An event that was counted stays counted when a clock is set back or forward.
"""

from __future__ import annotations

from msgspec.structs import replace

from otp_app.core.instant import Instant
from otp_app.core.ledger import BACKWARDS, MAX_TOMBSTONES, Ledger, Note, Send, Verification
from otp_app.core.notes import LIFE, owes
from otp_app.core.policy import DAY, Policy

MOST_SENT = 100  # messages of a day that the settings can allow: 50, and a reserve of 50
MOST_NOTIFIED = 50  # notifications of a day that the settings can allow
NEWS = 60.0  # seconds in which who keeps a history has surely written it, or another one has seen that it was killed
STOP_MEMORY = 3650 * DAY  # a STOP or a block holds until it is undone; who is quiet for so long is another
MOST_AHEAD = DAY  # seconds by which a stamp may be ahead and still be believed


def pruned(ledger: Ledger, now: Instant, policy: Policy) -> Ledger:
    """Return the ledger without the entries that no rule needs any more.

    The caps of this server do not matter: another one on the same store may count more messages than this one.
    """
    latest, wall = int(now.wall // DAY) + 1, now.wall  # a clock that is ahead may have written tomorrow's day
    oldest = latest - 1 - policy.risk_days
    return replace(
        ledger,
        verifications=_remembered(ledger.verifications, now, policy),
        gone=_remembered_gone(ledger.gone, now, policy),
        sent=tuple(stamp for stamp in ledger.sent if wall - stamp < DAY)[-MOST_SENT:],
        notified=tuple(stamp for stamp in ledger.notified if wall - stamp < DAY)[-MOST_NOTIFIED:],
        streak=ledger.streak if wall - ledger.last_send < DAY else 0,
        exhaustions=ledger.exhaustions if wall - ledger.exhausted_at < DAY else 0,
        risk=tuple((min(day, latest), units) for day, units in ledger.risk if units and day >= oldest),
        given_back=tuple(min(day, latest) for day in ledger.given_back if day >= oldest),
        awaited=tuple(stamp for stamp in ledger.awaited if wall - stamp < policy.ttl),
        refusals=tuple(refusal for refusal in ledger.refusals if wall - refusal[1] < policy.refusal_memory),
    )


def lifetime(ledger: Ledger, now: Instant, policy: Policy) -> float:
    """Return the seconds after which no rule needs the ledger any more."""
    needs = [(LIFE if v.noted and owes(v, now) else policy.tombstone) - v.ended_for(now) for v in ledger.verifications]
    needs += [LIFE - v.ended_for(now) for v in ledger.gone]
    if ledger.sent or ledger.streak or ledger.exhaustions:
        needs.append(DAY + max(ledger.last_send - now.wall, ledger.exhausted_at - now.wall, 0.0))
    if ledger.notified:
        needs.append(DAY + max(ledger.notified[-1] - now.wall, 0.0))
    if ledger.stopped or ledger.blocked:
        needs.append(STOP_MEMORY)
    if ledger.risk or ledger.given_back:
        needs.append((policy.risk_days + 1) * DAY)
    if ledger.refusals:
        needs.append(policy.refusal_memory)
    if ledger.awaited:
        needs.append(policy.ttl)
    return max([1.0, *needs])


def _remembered(verifications: tuple[Verification, ...], now: Instant, policy: Policy) -> tuple[Verification, ...]:
    kept = [v for v in verifications if v.ended_for(now) < policy.tombstone or _is_needed(v, now)]
    surplus = [v for v in kept if not v.is_pending(now)][:-MAX_TOMBSTONES]
    return tuple(v for v in kept if v not in surplus or _is_needed(v, now))


def _is_needed(verification: Verification, now: Instant) -> bool:
    """Return whether its events are to be told, or its end may not be in the history yet."""
    return (verification.noted > 0 and owes(verification, now)) or _has_news(verification, now)


def _has_news(verification: Verification, now: Instant) -> bool:
    if verification.origin is None or verification.is_pending(now):
        return False
    stamps = [report.at for send in verification.sends for report in send.receipts[-1:]]
    last = max([verification.begun.wall + min(verification.life, verification.age(now)), *stamps])
    return now.wall - max(last, verification.ended_at or 0.0) < NEWS


def _remembered_gone(gone: tuple[Verification, ...], now: Instant, policy: Policy) -> tuple[Verification, ...]:
    recent = [v for v in gone if v.origin and v.ended_for(now) < policy.tombstone][-MAX_TOMBSTONES:]  # for the history
    return tuple(v for v in gone if owes(v, now) or v in recent)


def corrected(ledger: Ledger, now: Instant) -> Ledger:
    """Return the ledger with its stamps as the clock of now would have written them; itself where they are right.

    Within one boot the uptime says how long ago the last change was. A clock that was set since then moves all stamps
    with it, so they keep their age. After a reboot, or on another machine, that age is not known: a stamp ahead of now
    counts until its time has passed, and one more than a day ahead becomes now, so that no number is shut out for long.
    """
    shift = clock_set_by(ledger.seen, now)
    if abs(shift) > BACKWARDS:
        ledger = _shifted(ledger, shift, now.boot)
    stamps = (*ledger.sent, *ledger.notified, *ledger.awaited, *(at for _, at, _ in ledger.refusals))
    latest = max(ledger.last_send, ledger.exhausted_at, ledger.stopped, *stamps)
    return ledger if latest <= now.wall + MOST_AHEAD else _clamp_future_stamps(ledger, now)


def clock_set_by(seen: Instant | None, now: Instant) -> float:
    """Return the seconds by which the wall clock was set since `seen`; 0 where that cannot be known."""
    if seen is None or not seen.boot or seen.boot != now.boot:
        return 0.0
    return round((now.wall - seen.wall) - (now.uptime - seen.uptime), 3)


def _shifted(ledger: Ledger, shift: float, boot: str) -> Ledger:
    days = round(shift / DAY)
    return replace(
        ledger,
        verifications=tuple(_shifted_verification(verification, shift, boot) for verification in ledger.verifications),
        gone=tuple(_shifted_verification(verification, shift, boot) for verification in ledger.gone),
        sent=tuple(stamp + shift for stamp in ledger.sent),
        last_send=ledger.last_send + shift if ledger.last_send else 0.0,
        exhausted_at=ledger.exhausted_at + shift if ledger.exhausted_at else 0.0,
        notified=tuple(stamp + shift for stamp in ledger.notified),
        stopped=ledger.stopped + shift if ledger.stopped else 0.0,
        risk=tuple((day + days, units) for day, units in ledger.risk),
        given_back=tuple(day + days for day in ledger.given_back),
        awaited=tuple(stamp + shift for stamp in ledger.awaited),
        refusals=tuple((channel, at + shift, reason) for channel, at, reason in ledger.refusals),
    )


def _shifted_verification(verification: Verification, shift: float, boot: str) -> Verification:
    """Shift all its stamps alike: a send is found by its stamp among those that the ledger counts.

    But no beginning in an earlier boot shifts forward: its clock may have been right, and no code gets younger.
    """
    begun = verification.begun
    younger = shift if begun.boot == boot else min(shift, 0.0)
    return replace(
        verification,
        begun=begun._replace(wall=begun.wall + younger),
        ended_at=verification.ended_at + shift if verification.ended_at is not None else None,
        sends=tuple(shifted_send(send, shift) for send in verification.sends),
        notes=tuple(_shifted_note(note, shift) for note in verification.notes),
    )


def shifted_send(send: Send, shift: float) -> Send:
    """Return a send with its stamps moved by so many seconds."""
    receipts = tuple(report._replace(at=report.at + shift) for report in send.receipts)
    return replace(send, at=send.at + shift, receipts=receipts)


def _shifted_note(note: Note, shift: float) -> Note:
    return note._replace(at=note.at + shift)


def _clamp_future_stamps(ledger: Ledger, now: Instant) -> Ledger:
    def believed(stamp: float) -> float:
        return stamp if stamp <= now.wall + MOST_AHEAD else now.wall

    return replace(
        ledger,
        sent=tuple(believed(stamp) for stamp in ledger.sent),
        last_send=believed(ledger.last_send),
        exhausted_at=believed(ledger.exhausted_at),
        notified=tuple(believed(stamp) for stamp in ledger.notified),
        stopped=believed(ledger.stopped),
        awaited=tuple(believed(stamp) for stamp in ledger.awaited),
        refusals=tuple((channel, believed(at), reason) for channel, at, reason in ledger.refusals),
    )
