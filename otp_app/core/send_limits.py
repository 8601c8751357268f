"""What a number may still do: the gap, the caps, the cool-down, and the risk that its wrong guesses have spent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from otp_app.core.errors import CoolingDown, LimitReached, TooManySends, TooSoon
from otp_app.core.interfaces import Instant
from otp_app.core.ledger import MAX_TOMBSTONES, Ledger, Status, Verification
from otp_app.core.policy import DAY, HOUR, Policy

RISK_UNIT = 1e-10
MOST_SENT = 100  # messages of a day that the settings can allow: 50, and a reserve of 50


def refuse_send(ledger: Ledger, now: Instant, policy: Policy, *, keyed: bool) -> None:
    """Raise the LimitReached that lasts longest, if any limit of the number holds."""
    if reached := max(_reached(ledger, now, policy, keyed), key=lambda limit: limit.retry_after or 0, default=None):
        raise reached


def seconds_to_next_send(ledger: Ledger, now: Instant, policy: Policy, *, keyed: bool) -> float:
    """Seconds until no limit of the number refuses another message."""
    return max((limit.retry_after or 0.0 for limit in _reached(ledger, now, policy, keyed)), default=0.0)


def sends_left(ledger: Ledger, now: Instant, policy: Policy, *, keyed: bool) -> int | None:
    """Messages that the caps leave at this moment; None without caps."""
    left = [quota - len(_within(ledger.sent, now, window)) for quota, window in _caps(policy, keyed)]
    return max(min(left), 0) if left else None


def _reached(ledger: Ledger, now: Instant, policy: Policy, keyed: bool) -> Iterator[LimitReached]:
    gap = policy.gap_after(ledger.streak)
    if (wait := ledger.last_send + gap - now.wall) > 0:
        yield TooSoon("A message was sent to this number a moment ago", wait, 1, gap)
    cool_down = policy.cool_down_after(ledger.deaths)
    if not keyed and (wait := ledger.died + cool_down - now.wall) > 0:
        yield CoolingDown("Too many wrong codes for this number", wait, 1, cool_down)
    for quota, window in _caps(policy, keyed):
        counted = _within(ledger.sent, now, window)
        if len(counted) >= quota:
            wait = counted[-quota] + window - now.wall
            yield TooManySends("This number had all its messages for now", wait, quota, window)


def _caps(policy: Policy, keyed: bool) -> Iterator[tuple[int, float]]:
    if policy.sends_per_hour:
        yield policy.sends_per_hour, HOUR
    if policy.sends_per_day:
        yield policy.sends_per_day + (policy.keyed_reserve if keyed else 0), DAY


def _within(stamps: tuple[float, ...], now: Instant, window: float) -> list[float]:
    return [stamp for stamp in stamps if now.wall - stamp < window]


# ---- risk: limits per hour and day do not bound an attacker who comes back each day; this sum does (docs/limits.md)


def guess_weight(length: int) -> int:
    """The chance of one guess at a code of so many digits, in RISK_UNIT."""
    return int(10 ** (10 - length))


def risk_spent(ledger: Ledger) -> int:
    """The chance that the remembered wrong guesses had, together, in RISK_UNIT."""
    return sum(units for _, units in ledger.risk)


def risk_at_stake(ledger: Ledger, now: Instant, policy: Policy) -> int:
    """The chance of all guesses that live codes still allow, together, in RISK_UNIT."""
    reused = policy.reused or not policy.once_only
    again = [v for v in ledger.verifications if v.again or (v.status == Status.APPROVED and reused)]
    live = [*ledger.pending(now), *(v for v in again if v.code_left(now))]
    return sum(max(policy.max_attempts - v.attempts, 0) * guess_weight(v.shortest) for v in live)


def add_risk(ledger: Ledger, now: Instant, units: int) -> Ledger:
    """The ledger with a wrong guess (or, negative, a forgiven one) on its account."""
    day = int(now.wall // DAY)
    days = _by_day(ledger)
    if units < 0:
        day = max((d for d, spent in days.items() if spent >= -units), default=day)
    days[day] = max(days.get(day, 0) + units, 0)
    return replace(ledger, risk=tuple(sorted(days.items())))


def code_length(ledger: Ledger, now: Instant, policy: Policy) -> tuple[Ledger, int]:
    """The length of a new code, and the ledger that remembers whether it is raised.

    The guesses that pending verifications still allow count as spent, so that opening many at once buys nothing.
    """
    risk = risk_spent(ledger)
    above = risk + risk_at_stake(ledger, now, policy) >= round(policy.risk_raise / RISK_UNIT)
    raised = above or (ledger.raised and risk >= round(policy.risk_lower / RISK_UNIT))
    if raised != ledger.raised:
        ledger = replace(ledger, raised=raised)
    return ledger, max(policy.raised_length, policy.length) if raised else policy.length


def _by_day(ledger: Ledger) -> dict[int, int]:
    days: dict[int, int] = {}
    for day, units in ledger.risk:
        days[day] = days.get(day, 0) + units
    return days


# ---- what need not be remembered


def pruned(ledger: Ledger, now: Instant, policy: Policy) -> Ledger:
    """The ledger without what no rule can ask for any more.

    The caps of this server do not matter: another one on the same store may count more messages than this one.
    """
    latest, wall = int(now.wall // DAY) + 1, now.wall  # a clock that is ahead may have written tomorrow's day
    oldest = latest - 1 - policy.risk_days
    return replace(
        ledger,
        verifications=_remembered(ledger.verifications, now, policy),
        sent=tuple(_within(ledger.sent, now, DAY)[-MOST_SENT:]),
        streak=ledger.streak if wall - ledger.last_send < DAY else 0,
        deaths=ledger.deaths if wall - ledger.died < DAY else 0,
        risk=tuple((min(day, latest), units) for day, units in ledger.risk if units and day >= oldest),
        given_back=tuple(min(day, latest) for day in ledger.given_back if day >= oldest),
        refusals=tuple((c, at, why) for c, at, why in ledger.refusals if wall - at < policy.refusal_memory),
    )


def lifetime(ledger: Ledger, now: Instant, policy: Policy) -> float:
    """Seconds after which nothing in the ledger matters any more: the longest need in it."""
    needs = [policy.tombstone - v.over_for(now) for v in ledger.verifications]
    if ledger.sent or ledger.streak or ledger.deaths:
        needs.append(DAY + max(ledger.last_send - now.wall, ledger.died - now.wall, 0.0))
    needs += [(policy.risk_days + 1) * DAY] * bool(ledger.risk or ledger.given_back)
    needs += [policy.refusal_memory] * bool(ledger.refusals)
    return max([1.0, *needs])


def _remembered(all_of_them: tuple[Verification, ...], now: Instant, policy: Policy) -> tuple[Verification, ...]:
    kept = [v for v in all_of_them if v.over_for(now) < policy.tombstone]
    surplus = [v for v in kept if not v.is_pending(now)][:-MAX_TOMBSTONES]
    return tuple(v for v in kept if v not in surplus)
