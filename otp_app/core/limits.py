"""What bounds messages and attempts: the limits of a number, its risk, and how many sends run at once.

Limits per hour and day do not bound an attacker who comes back each day; the risk of a number does. It is the sum of
each wrong attempt's chance to have been right (docs/limits.md).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from threading import BoundedSemaphore, local

from msgspec.structs import replace

from otp_app.core.errors import CoolingDown, CountryNotAllowed, LimitReached, Overloaded, TooManySends, TooSoon
from otp_app.core.instant import Instant
from otp_app.core.ledger import Ledger, Status, Verification
from otp_app.core.policy import DAY, HOUR, Policy

RISK_UNIT = 1e-10
SOON = "A message was sent to this number a moment ago"
COOLING = "Too many wrong codes for this number"
CAP = "This number has had all its messages for now"
_REASONS: dict[str, type[LimitReached]] = {SOON: TooSoon, COOLING: CoolingDown, CAP: TooManySends}
RETRY_AFTER = 1.0  # seconds; a send that waits for its provider takes a few


def refuse_send(ledger: Ledger, now: Instant, policy: Policy, *, authenticated: bool) -> None:
    """Raise the LimitReached that lasts longest, if any limit of the number holds, or CountryNotAllowed (blocked)."""
    refuse_blocked(ledger)
    if reached := max(_reached(ledger, now, policy, authenticated), default=None):
        wait, kind, quota, window = reached
        raise _REASONS[kind](kind, wait, quota, window)


def refuse_blocked(ledger: Ledger) -> None:
    """Raise CountryNotAllowed if the operator has blocked the number: callers know that refusal already."""
    if ledger.blocked:
        raise CountryNotAllowed("This number is not served")


def policy_for(verification: Verification, policy: Policy) -> Policy:
    """Return the policy for further messages of a verification, whose code may be one that cannot be longer."""
    return policy.slow if verification.provider and verification.attempts_allowed else policy


def seconds_to_next_send(ledger: Ledger, now: Instant, policy: Policy, *, authenticated: bool) -> float:
    """Seconds until no limit of the number refuses another message."""
    return max((wait for wait, *_ in _reached(ledger, now, policy, authenticated)), default=0.0)


def sends_left(ledger: Ledger, now: Instant, policy: Policy, *, authenticated: bool) -> int | None:
    """Messages that the caps leave at this moment; None without caps."""
    left = [quota - len(_within(ledger.sent, now, window)) for quota, window in _caps(policy, authenticated)]
    return max(min(left), 0) if left else None


def _reached(
    ledger: Ledger, now: Instant, policy: Policy, authenticated: bool
) -> Iterator[tuple[float, str, int, float]]:
    """Yield each limit that holds: seconds that are left, one of _REASONS, its quota, the seconds that it counts."""
    gap = gap_after(policy, ledger.streak)
    if (wait := ledger.last_send + gap - now.wall) > 0:
        yield wait, SOON, 1, gap
    cool_down = cool_down_after(policy, ledger.exhaustions)
    if not authenticated and (wait := ledger.exhausted_at + cool_down - now.wall) > 0:
        yield wait, COOLING, 1, cool_down
    for quota, window in _caps(policy, authenticated):
        counted = _within(ledger.sent, now, window)
        if len(counted) >= quota:
            yield counted[-quota] + window - now.wall, CAP, quota, window


def gap_after(policy: Policy, streak: int) -> float:
    """Seconds to wait after the last of `streak` messages without an approval between them."""
    return policy.gaps[min(streak, len(policy.gaps)) - 1] if policy.gaps and streak else 0.0


def cool_down_after(policy: Policy, exhaustions: int) -> float:
    """Seconds without public sends after wrong codes ended so many verifications in a row."""
    waits = policy.cool_downs
    return waits[min(exhaustions, len(waits)) - 1] if waits and exhaustions else 0.0


def _caps(policy: Policy, authenticated: bool) -> Iterator[tuple[int, float]]:
    if policy.sends_per_hour:
        yield policy.sends_per_hour, HOUR
    if policy.sends_per_day:
        yield policy.sends_per_day + (policy.keyed_reserve if authenticated else 0), DAY


def _within(stamps: tuple[float, ...], now: Instant, window: float) -> list[float]:
    return [stamp for stamp in stamps if now.wall - stamp < window]


def attempt_weight(length: int) -> int:
    """The chance of one attempt at a code of so many digits, in RISK_UNIT."""
    return int(10 ** (10 - length))


def risk_spent(ledger: Ledger) -> int:
    """The chance that the remembered wrong attempts had together, in RISK_UNIT."""
    return sum(units for _, units in ledger.risk)


def risk_at_stake(ledger: Ledger, now: Instant, policy: Policy) -> int:
    """The chance of all attempts together that live codes still allow, in RISK_UNIT."""
    most = policy.max_attempts
    live = live_verifications(ledger, now, policy)
    left = ((min(most, (v.made and v.attempts_allowed) or most) - v.attempts, v) for v in live)
    return sum(max(attempts, 0) * attempt_weight(v.shortest) for attempts, v in left)


def live_verifications(ledger: Ledger, now: Instant, policy: Policy) -> list[Verification]:
    """The verifications whose code may be accepted, by any API.

    One that would be live again, should the message of the one that replaced it be refused, is among them.
    """
    reused, pending = policy.reused or not policy.once_only, list(ledger.pending(now))
    replaced = {v.replaces for v in pending if not (v.attempts or v.out)}
    again = [v for v in ledger.verifications if v.again or v.id in replaced or (v.status == Status.APPROVED and reused)]
    return [*pending, *(v for v in again if v.code_left(now))]


def is_at_risk(ledger: Ledger, now: Instant, policy: Policy) -> bool:
    """Whether so much was spent, or may be, that a code which cannot be longer needs the slow policy."""
    at_risk = round(min(policy.risk_slow, policy.risk_raise) / RISK_UNIT)
    return risk_spent(ledger) + risk_at_stake(ledger, now, policy) >= at_risk


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


class Bulkhead:
    """A number of places for threads that wait for a provider. One that finds none fails at once, without any effect.

    A thread that has a place needs no other: a log-in that takes one as a send may ask about its code.
    """

    def __init__(self, places: int) -> None:
        self._places, self._thread = BoundedSemaphore(places), local()

    def enter(self) -> None:
        """Take a place, for which the same thread must call `leave`. Raises Overloaded."""
        entered = getattr(self._thread, "entered", 0)
        if not entered and not self._places.acquire(blocking=False):
            raise Overloaded("Too many messages are being sent at this moment", RETRY_AFTER)
        self._thread.entered = entered + 1

    def leave(self) -> None:
        """Give the place back."""
        self._thread.entered -= 1
        if not self._thread.entered:
            self._places.release()
