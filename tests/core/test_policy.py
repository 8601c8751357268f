"""The rules' numbers."""

from __future__ import annotations

import pytest

from otp_app.core.limits import cool_down_after, gap_after
from otp_app.core.policy import Policy


@pytest.mark.parametrize(("streak", "gap"), [(0, 0), (1, 30), (2, 60), (3, 120), (4, 300), (5, 300), (100, 300)])
def test_the_gap_grows_with_each_message_and_the_last_one_repeats(streak: int, gap: float) -> None:
    assert gap_after(Policy(), streak) == gap


@pytest.mark.parametrize(("exhaustions", "wait"), [(0, 0), (1, 30), (2, 60), (3, 300), (4, 900), (5, 3600), (9, 3600)])
def test_the_cool_down_grows_with_each_death_up_to_an_hour(exhaustions: int, wait: float) -> None:
    assert cool_down_after(Policy(), exhaustions) == wait


def test_empty_lists_mean_no_gap_and_no_cool_down() -> None:
    policy = Policy(gaps=(), cool_downs=())
    assert (gap_after(policy, 3), cool_down_after(policy, 3)) == (0, 0)


def test_the_defaults_are_the_documented_ones() -> None:
    policy = Policy()
    assert (policy.ttl, policy.max_life, policy.length, policy.raised_length) == (300, 600, 6, 8)
    assert (policy.max_attempts, policy.sends_per_hour, policy.sends_per_day, policy.keyed_reserve) == (5, 5, 10, 5)
    assert (policy.risk_raise, policy.risk_lower, policy.risk_days) == (40e-6, 20e-6, 30)
