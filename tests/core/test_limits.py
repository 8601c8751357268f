"""What a number may still do, and what need not be remembered of it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from otp_app.core.errors import CoolingDown, LimitReached, TooManySends, TooSoon
from otp_app.core.instant import Instant
from otp_app.core.ledger import MAX_TOMBSTONES, Ledger, Status, Verification
from otp_app.core.limits import (
    add_risk,
    attempt_weight,
    code_length,
    refuse_send,
    risk_spent,
    seconds_to_next_send,
    sends_left,
)
from otp_app.core.policy import DAY, HOUR, Policy
from otp_app.core.upkeep import lifetime, pruned
from tests.core.fakes import PHONE

POLICY = Policy()
WALL = 1_800_000_000.0
NOW = Instant(WALL, "boot-1", 100_000.0)
TODAY = int(WALL // DAY)
ONE, ALL = attempt_weight(6), 5 * attempt_weight(6)  # an attempt at six digits, and all attempts of a verification


def _ledger(**fields: Any) -> Ledger:
    return Ledger(PHONE, **fields)


def _later(seconds: float) -> Instant:
    return Instant(WALL + seconds, NOW.boot, NOW.uptime + seconds)


def _verification(number: int = 0, age: float = 0.0, **fields: Any) -> Verification:
    begun = Instant(WALL - age, NOW.boot, NOW.uptime - age)
    return Verification(f"VE{number:032x}", f"p{number}", "k1", fields.pop("length", 6), begun, 300.0, **fields)


def _refusal(
    ledger: Ledger, now: Instant = NOW, *, authenticated: bool = False, policy: Policy = POLICY
) -> LimitReached | None:
    try:
        refuse_send(ledger, now, policy, authenticated=authenticated)
    except LimitReached as reached:
        return reached
    return None


# ---- gap, cool-down, caps


@pytest.mark.parametrize(("streak", "gap"), [(1, 30.0), (2, 60.0), (3, 120.0), (4, 300.0), (9, 300.0)])
def test_the_gap_is_kept_and_ends_on_time(streak: int, gap: float) -> None:
    ledger = _ledger(last_send=WALL, streak=streak)
    reached = _refusal(ledger, _later(gap - 0.5))
    assert isinstance(reached, TooSoon)
    assert (reached.retry_after, reached.quota, reached.window) == (0.5, 1, gap)
    assert _refusal(ledger, _later(gap)) is None


@pytest.mark.parametrize(
    ("exhaustions", "wait"), [(1, 30.0), (2, 60.0), (3, 300.0), (4, 900.0), (5, 3600.0), (50, 3600.0)]
)
def test_the_cool_down_holds_for_callers_without_a_key(exhaustions: int, wait: float) -> None:
    ledger = _ledger(exhaustions=exhaustions, exhausted_at=WALL)
    reached = _refusal(ledger, _later(wait - 1))
    assert isinstance(reached, CoolingDown)
    assert reached.retry_after == 1
    assert _refusal(ledger, _later(wait)) is None
    assert _refusal(ledger, NOW, authenticated=True) is None


@pytest.mark.parametrize(
    ("sent", "authenticated", "window", "wait"),
    [
        ([0, 1, 2, 3, 4], False, HOUR, HOUR - 4),
        ([0, 1, 2, 3, 4], True, HOUR, HOUR - 4),
        ([HOUR * n for n in range(1, 11)], False, DAY, DAY - 10 * HOUR),
        ([HOUR * n for n in range(1, 16)], True, DAY, DAY - 15 * HOUR),
    ],
)
def test_the_caps_of_the_hour_and_the_day(sent: list[float], authenticated: bool, window: float, wait: float) -> None:
    ledger = _ledger(sent=tuple(sorted(WALL - ago for ago in sent)))
    reached = _refusal(ledger, authenticated=authenticated)
    assert isinstance(reached, TooManySends)
    assert (reached.window, reached.retry_after) == (window, wait)
    assert _refusal(ledger, _later(wait), authenticated=authenticated) is None


def test_a_caller_with_a_key_has_a_reserve_beyond_what_strangers_can_use_up() -> None:
    ledger = _ledger(sent=tuple(WALL - HOUR * n for n in range(10, 0, -1)))
    assert isinstance(_refusal(ledger), TooManySends)
    assert _refusal(ledger, authenticated=True) is None
    assert [sends_left(ledger, NOW, POLICY, authenticated=shown) for shown in (False, True)] == [0, 5]


def test_of_several_limits_the_one_that_lasts_longest_is_reported() -> None:
    ledger = _ledger(sent=(WALL,) * 5, last_send=WALL, streak=5, exhaustions=1, exhausted_at=WALL)
    assert isinstance(_refusal(ledger), TooManySends)
    assert seconds_to_next_send(ledger, NOW, POLICY, authenticated=False) == HOUR
    assert isinstance(_refusal(replace(ledger, sent=())), TooSoon)


def test_zero_means_no_limit() -> None:
    free = Policy(gaps=(), cool_downs=(), sends_per_hour=0, sends_per_day=0)
    ledger = _ledger(sent=(WALL,) * 500, last_send=WALL, streak=500, exhaustions=3, exhausted_at=WALL)
    assert _refusal(ledger, policy=free) is None
    assert sends_left(ledger, NOW, free, authenticated=False) is None
    assert seconds_to_next_send(ledger, NOW, free, authenticated=False) == 0


@pytest.mark.parametrize(("sent", "left"), [(0, 5), (3, 2), (5, 0), (7, 0)])
def test_how_many_messages_are_left(sent: int, left: int) -> None:
    assert sends_left(_ledger(sent=(WALL,) * sent), NOW, POLICY, authenticated=False) == left


# ---- risk


@pytest.mark.parametrize(("length", "chance"), [(4, 1e-4), (6, 1e-6), (8, 1e-8), (10, 1e-10)])
def test_an_attempt_weighs_its_chance_to_be_right(length: int, chance: float) -> None:
    assert attempt_weight(length) * 1e-10 == pytest.approx(chance)


def test_wrong_attempts_add_up_by_day() -> None:
    ledger = _ledger()
    for seconds in (0.0, 1.0, DAY):
        ledger = add_risk(ledger, _later(seconds), ONE)
    assert ledger.risk == ((TODAY, 2 * ONE), (TODAY + 1, ONE))
    assert risk_spent(ledger) == 3 * ONE


def test_a_forgiven_attempt_is_taken_from_the_last_day_that_has_it() -> None:
    ledger = _ledger(risk=((TODAY - 1, 3 * ONE), (TODAY, attempt_weight(8))))
    assert add_risk(ledger, NOW, -ONE).risk == ((TODAY - 1, 2 * ONE), (TODAY, attempt_weight(8)))


def test_forgiving_never_makes_a_day_negative() -> None:
    assert risk_spent(add_risk(_ledger(), NOW, -ONE)) == 0


@pytest.mark.parametrize(
    ("risk", "raised", "length", "stays"),
    [
        (0, False, 6, False),
        (40 * ONE - 1, False, 6, False),
        (40 * ONE, False, 8, True),
        (20 * ONE, True, 8, True),
        (20 * ONE - 1, True, 6, False),
    ],
)
def test_codes_grow_at_40_attempts_and_shrink_below_20(risk: int, raised: bool, length: int, stays: bool) -> None:
    ledger = _ledger(risk=((TODAY, risk),), raised=raised)
    remembered, chosen = code_length(ledger, NOW, POLICY)
    assert (chosen, remembered.raised) == (length, stays)


def test_attempts_that_pending_verifications_still_allow_count_as_spent() -> None:
    """Otherwise many purposes opened at once would each have six digits."""
    pending = tuple(_verification(n) for n in range(2))
    assert code_length(_ledger(risk=((TODAY, 30 * ONE),), verifications=pending), NOW, POLICY)[1] == 8
    tried = (replace(pending[0], attempts=1), pending[1])
    assert code_length(_ledger(risk=((TODAY, 30 * ONE),), verifications=tried), NOW, POLICY)[1] == 6
    over = tuple(replace(v, status=Status.CANCELED) for v in pending)
    assert code_length(_ledger(risk=((TODAY, 30 * ONE),), verifications=over), NOW, POLICY)[1] == 6


def test_a_longer_ordinary_length_is_never_shortened() -> None:
    assert code_length(_ledger(raised=True, risk=((TODAY, 50 * ONE),)), NOW, Policy(length=10))[1] == 10


# ---- pruning


def test_what_no_rule_asks_for_is_forgotten() -> None:
    ledger = _ledger(
        sent=(WALL - DAY, WALL - DAY + 1),
        last_send=WALL - DAY,
        streak=4,
        exhausted_at=WALL - DAY,
        exhaustions=3,
        risk=((TODAY - 31, ONE), (TODAY - 30, ONE)),
        given_back=(TODAY - 31, TODAY - 30),
        refusals=(("sms", WALL - 600, "bad_number"), ("whatsapp", WALL - 599, "bad_number")),
    )
    left = pruned(ledger, NOW, POLICY)
    assert (left.sent, left.streak, left.exhaustions) == ((WALL - DAY + 1,), 0, 0)
    assert (left.risk, left.given_back) == (((TODAY - 30, ONE),), (TODAY - 30,))
    assert left.refusals == (("whatsapp", WALL - 599, "bad_number"),)


def test_the_caps_of_this_server_forget_no_message_that_another_one_counts() -> None:
    """Servers with different caps may share a store, and one without caps too; a hundred is what settings can allow."""
    small, none = Policy(sends_per_hour=1, sends_per_day=1, keyed_reserve=0), Policy(sends_per_hour=0, sends_per_day=0)
    for policy in (POLICY, small, none):
        assert len(pruned(_ledger(sent=(WALL,) * 40, last_send=WALL), NOW, policy).sent) == 40
        assert len(pruned(_ledger(sent=(WALL,) * 101, last_send=WALL), NOW, policy).sent) == 100


def test_a_day_ahead_is_forgotten_with_the_others() -> None:
    """A clock that was ahead by more may have written any day: it counts as tomorrow's."""
    ledger = _ledger(risk=((TODAY + 1, ONE), (TODAY + 9, ONE)), given_back=(TODAY + 9,))
    left = pruned(ledger, NOW, POLICY)
    assert (left.risk, left.given_back) == (((TODAY + 1, ONE), (TODAY + 1, ONE)), (TODAY + 1,))


def test_tombstones_are_kept_for_an_hour_and_at_most_eight() -> None:
    over = [_verification(n, status=Status.CANCELED, ended_at=WALL - 3599) for n in range(12)]
    old, expired = _verification(90, status=Status.APPROVED, ended_at=WALL - 3600), _verification(91, age=3899)
    pending = _verification(92)
    left = pruned(_ledger(verifications=(old, expired, *over, pending)), NOW, POLICY).verifications
    assert [v.id for v in left] == [v.id for v in (*over[-MAX_TOMBSTONES:], pending)]
    assert pruned(_ledger(verifications=(expired,)), NOW, POLICY).verifications == (expired,)


# ---- lifetime


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({}, 1.0),
        ({"verifications": (_verification(),)}, 300 + HOUR),
        ({"verifications": (_verification(status=Status.APPROVED, ended_at=WALL),)}, HOUR),
        ({"sent": (WALL,), "last_send": WALL, "streak": 1}, DAY),
        ({"sent": (WALL + HOUR,), "last_send": WALL + HOUR, "streak": 1}, DAY + HOUR),  # of a clock that is ahead
        ({"exhaustions": 1, "exhausted_at": WALL}, DAY),
        ({"risk": ((TODAY, ONE),)}, 31 * DAY),
        ({"given_back": (TODAY,)}, 31 * DAY),
        ({"refusals": (("sms", WALL, "bad_number"),)}, 600),
    ],
)
def test_a_ledger_lives_as_long_as_its_longest_need(fields: dict[str, Any], seconds: float) -> None:
    assert lifetime(_ledger(**fields), NOW, POLICY) == seconds
