"""The risk of a number: limits per hour and day do not bound an attacker who comes back each day; this sum does.

It is the sum of each wrong attempt's chance to have been right (docs/limits.md).
"""

from __future__ import annotations

import math
from dataclasses import replace

from otp_app.core.instant import Instant
from otp_app.core.ledger import Ledger, Status
from otp_app.core.policy import DAY, Policy

RISK_UNIT = 1e-10


def attempt_weight(length: int) -> int:
    """The chance of one attempt at a code of so many digits, in RISK_UNIT."""
    return int(10 ** (10 - length))


def risk_spent(ledger: Ledger) -> int:
    """The chance that the remembered wrong attempts had together, in RISK_UNIT."""
    return sum(units for _, units in ledger.risk)


def risk_at_stake(ledger: Ledger, now: Instant, policy: Policy) -> int:
    """The chance of all attempts together that live codes still allow, in RISK_UNIT."""
    reused = policy.reused or not policy.once_only
    again = [v for v in ledger.verifications if v.again or (v.status == Status.APPROVED and reused)]
    live = [*ledger.pending(now), *(v for v in again if v.code_left(now))]
    return sum(max(policy.max_attempts - v.attempts, 0) * attempt_weight(v.shortest) for v in live)


def add_risk(ledger: Ledger, now: Instant, units: int) -> Ledger:
    """The ledger with the risk of a wrong attempt added, or (negative) of a forgiven one taken back."""
    day = int(now.wall // DAY)
    days = _by_day(ledger)
    if units < 0:
        day = max((d for d, spent in days.items() if spent >= -units), default=day)
    days[day] = max(days.get(day, 0) + units, 0)
    return replace(ledger, risk=tuple(sorted(days.items())))


def code_length(ledger: Ledger, now: Instant, policy: Policy) -> tuple[Ledger, int]:
    """The length of a new code, and the ledger that remembers whether it is raised.

    The attempts that pending verifications still allow count as spent, so that many at once bring no advantage.
    """
    risk = risk_spent(ledger)
    above = risk + risk_at_stake(ledger, now, policy) >= round(policy.risk_raise / RISK_UNIT)
    raised = above or (ledger.raised and risk >= round(policy.risk_lower / RISK_UNIT))
    if raised != ledger.raised:
        ledger = replace(ledger, raised=raised)
    return ledger, max(policy.raised_length, policy.length) if raised else policy.length


def yearly_chance(policy: Policy) -> float:
    """Return at most the chance that attempts at one number succeed within a year: the sum in docs/limits.md."""
    short, long = 10.0**-policy.length, 10.0 ** -max(policy.raised_length, policy.length)
    before = policy.risk_raise + (policy.max_attempts + policy.give_back_limit) * short
    by_day = policy.sends_per_day + policy.keyed_reserve if policy.sends_per_day else math.inf
    by_hour = 24 * policy.sends_per_hour if policy.sends_per_hour else math.inf
    after = min(by_day, by_hour) * policy.max_attempts * 365 * long
    return min(math.ceil(365 / policy.risk_days) * before + after, 1.0)


def _by_day(ledger: Ledger) -> dict[int, int]:
    days: dict[int, int] = {}
    for day, units in ledger.risk:
        days[day] = days.get(day, 0) + units
    return days
