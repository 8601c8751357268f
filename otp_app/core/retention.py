"""What a ledger must remember, and for how long."""

from __future__ import annotations

from dataclasses import replace

from otp_app.core.instant import Instant
from otp_app.core.ledger import MAX_TOMBSTONES, Ledger, Verification
from otp_app.core.policy import DAY, Policy

MOST_SENT = 100  # messages of a day that the settings can allow: 50, and a reserve of 50


def pruned(ledger: Ledger, now: Instant, policy: Policy) -> Ledger:
    """Return the ledger without the entries that no rule needs any more.

    The caps of this server do not matter: another one on the same store may count more messages than this one.
    """
    latest, wall = int(now.wall // DAY) + 1, now.wall  # a clock that is ahead may have written tomorrow's day
    oldest = latest - 1 - policy.risk_days
    return replace(
        ledger,
        verifications=_remembered(ledger.verifications, now, policy),
        sent=tuple(stamp for stamp in ledger.sent if wall - stamp < DAY)[-MOST_SENT:],
        streak=ledger.streak if wall - ledger.last_send < DAY else 0,
        exhaustions=ledger.exhaustions if wall - ledger.exhausted_at < DAY else 0,
        risk=tuple((min(day, latest), units) for day, units in ledger.risk if units and day >= oldest),
        given_back=tuple(min(day, latest) for day in ledger.given_back if day >= oldest),
        refusals=tuple(refusal for refusal in ledger.refusals if wall - refusal[1] < policy.refusal_memory),
    )


def lifetime(ledger: Ledger, now: Instant, policy: Policy) -> float:
    """Return the seconds after which no rule needs the ledger any more."""
    needs = [policy.tombstone - v.ended_for(now) for v in ledger.verifications]
    if ledger.sent or ledger.streak or ledger.exhaustions:
        needs.append(DAY + max(ledger.last_send - now.wall, ledger.exhausted_at - now.wall, 0.0))
    if ledger.risk or ledger.given_back:
        needs.append((policy.risk_days + 1) * DAY)
    if ledger.refusals:
        needs.append(policy.refusal_memory)
    return max([1.0, *needs])


def _remembered(verifications: tuple[Verification, ...], now: Instant, policy: Policy) -> tuple[Verification, ...]:
    kept = [v for v in verifications if v.ended_for(now) < policy.tombstone]
    surplus = [v for v in kept if not v.is_pending(now)][:-MAX_TOMBSTONES]
    return tuple(v for v in kept if v not in surplus)
