"""Whether a number may get another message: the gap, the caps and the cool-down."""

from __future__ import annotations

from collections.abc import Iterator

from otp_app.core.errors import CoolingDown, LimitReached, TooManySends, TooSoon
from otp_app.core.instant import Instant
from otp_app.core.ledger import Ledger
from otp_app.core.policy import DAY, HOUR, Policy


def refuse_send(ledger: Ledger, now: Instant, policy: Policy, *, authenticated: bool) -> None:
    """Raise the LimitReached that lasts longest, if any limit of the number holds."""
    reached = _reached(ledger, now, policy, authenticated)
    if longest := max(reached, key=lambda limit: limit.retry_after or 0, default=None):
        raise longest


def seconds_to_next_send(ledger: Ledger, now: Instant, policy: Policy, *, authenticated: bool) -> float:
    """Seconds until no limit of the number refuses another message."""
    return max((limit.retry_after or 0.0 for limit in _reached(ledger, now, policy, authenticated)), default=0.0)


def sends_left(ledger: Ledger, now: Instant, policy: Policy, *, authenticated: bool) -> int | None:
    """Messages that the caps leave at this moment; None without caps."""
    left = [quota - len(_within(ledger.sent, now, window)) for quota, window in _caps(policy, authenticated)]
    return max(min(left), 0) if left else None


def _reached(ledger: Ledger, now: Instant, policy: Policy, authenticated: bool) -> Iterator[LimitReached]:
    gap = policy.gap_after(ledger.streak)
    if (wait := ledger.last_send + gap - now.wall) > 0:
        yield TooSoon("A message was sent to this number a moment ago", wait, 1, gap)
    cool_down = policy.cool_down_after(ledger.exhaustions)
    if not authenticated and (wait := ledger.exhausted_at + cool_down - now.wall) > 0:
        yield CoolingDown("Too many wrong codes for this number", wait, 1, cool_down)
    for quota, window in _caps(policy, authenticated):
        counted = _within(ledger.sent, now, window)
        if len(counted) >= quota:
            wait = counted[-quota] + window - now.wall
            yield TooManySends("This number had all its messages for now", wait, quota, window)


def _caps(policy: Policy, authenticated: bool) -> Iterator[tuple[int, float]]:
    if policy.sends_per_hour:
        yield policy.sends_per_hour, HOUR
    if policy.sends_per_day:
        yield policy.sends_per_day + (policy.keyed_reserve if authenticated else 0), DAY


def _within(stamps: tuple[float, ...], now: Instant, window: float) -> list[float]:
    return [stamp for stamp in stamps if now.wall - stamp < window]
