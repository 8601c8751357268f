"""Check and cancel: attempts are counted, a code is used once, what is over stays over."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

from otp_app.core.check_transitions import cancel, check
from otp_app.core.delivery import Reason
from otp_app.core.errors import CoolingDown, NotPending, TooSoon, UnknownKey
from otp_app.core.ledger import Status, Verification
from otp_app.core.policy import DAY, Policy
from tests.core.number import CODE, POLICY, WRONG, Number


@pytest.fixture
def number() -> Number:
    return Number()


def test_the_right_code_is_accepted_once(number: Number) -> None:
    verification = number.send()
    verdict = number.check(verification)
    assert (verdict.approved, verdict.status, verdict.counted) == (True, Status.APPROVED, True)
    again = number.check(verification)
    assert (again.approved, again.status, again.counted) == (False, Status.APPROVED, False)


def test_five_attempts_are_looked_at_and_no_more(number: Number) -> None:
    verification = number.send()
    verdicts = [number.check(verification, WRONG) for _ in range(5)]
    assert [v.attempts_left for v in verdicts] == [4, 3, 2, 1, 0]
    assert [v.status for v in verdicts] == [Status.PENDING] * 4 + [Status.MAX_ATTEMPTS_REACHED]
    sixth = number.check(verification)
    assert (sixth.approved, sixth.counted, sixth.status) == (False, False, Status.MAX_ATTEMPTS_REACHED)


def test_the_fifth_attempt_may_be_the_right_one(number: Number) -> None:
    verification = number.send()
    for _ in range(4):
        number.check(verification, WRONG)
    assert number.check(verification).approved


@pytest.mark.parametrize("attempt", ["0123", "12345", "0123456", "0123450000"])
def test_an_attempt_of_another_length_is_a_counted_wrong_attempt(number: Number, attempt: str) -> None:
    verification = number.send()
    verdict = number.check(verification, attempt)
    assert (verdict.status, verdict.verification_id, verdict.attempts_left) == (Status.PENDING, verification.id, 4)
    assert (verdict.counted, verdict.approval) == (True, None)


def test_a_code_that_cannot_be_derived_costs_no_try(number: Number) -> None:
    verification = number.send()

    def lost(_: Verification) -> str:
        raise UnknownKey("not held")

    with pytest.raises(UnknownKey):
        check(number.ledger, number.now, POLICY, number.of(verification), WRONG, lost)


@pytest.mark.parametrize("status", [Status.APPROVED, Status.CANCELED, Status.MAX_ATTEMPTS_REACHED, Status.EXPIRED])
def test_what_is_over_looks_at_no_attempt_and_changes_nothing(number: Number, status: Status) -> None:
    over = structs.replace(number.send(), status=status, ended_at=number.clock.wall)
    ledger = number.ledger.with_verification(over)
    new, verdict = check(ledger, number.now, POLICY, over, CODE, lambda v: CODE)
    assert (new, verdict.counted, verdict.status) == (None, False, status)


def test_a_wrong_attempt_goes_on_the_numbers_account_for_30_days(number: Number) -> None:
    number.check(number.send(), WRONG)
    assert number.ledger.risk == ((int(number.clock.wall // DAY), 10_000),)
    number.clock.forward(30 * DAY)
    number.send()
    assert number.ledger.risk
    number.clock.forward(DAY)
    number.send()
    assert not number.ledger.risk


def test_one_wrong_attempt_is_forgiven_at_approval(number: Number) -> None:
    verification = number.send()
    for _ in range(3):
        number.check(verification, WRONG)
    number.check(verification)
    assert sum(units for _, units in number.ledger.risk) == 20_000


def test_an_approval_forgives_no_attempt_at_another_verification(number: Number) -> None:
    """An owner who types the code at once takes nothing off the account of who guessed before."""
    number.kill()
    before = number.ledger.risk
    number.clock.forward(31)
    assert number.check(number.send()).approved
    assert (number.ledger.risk, number.ledger.given_back) == (before, ())


def test_at_most_five_attempts_are_forgiven_in_30_days(number: Number) -> None:
    for _ in range(7):
        verification = number.send()
        number.check(verification, WRONG)
        number.check(verification)
        number.clock.forward(DAY)
    assert sum(units for _, units in number.ledger.risk) == 20_000
    number.clock.forward(30 * DAY)
    verification = number.send()
    number.check(verification, WRONG)
    number.check(verification)
    assert number.ledger.risk[-1][1] == 0


def test_an_approval_ends_the_row_of_deaths_and_shortens_the_gap(number: Number) -> None:
    number.kill()
    for seconds in (30, 60):
        number.clock.forward(seconds)
        last = number.send()
    assert (number.ledger.exhaustions, number.ledger.streak) == (1, 3)
    number.check(last)
    assert (number.ledger.exhaustions, number.ledger.streak) == (0, 1)
    number.clock.forward(30)
    number.send()


def test_deaths_in_a_row_make_the_cool_down_longer(number: Number) -> None:
    free = Number(Policy(gaps=(), sends_per_hour=0, sends_per_day=0))
    for wait in (30, 60, 300, 900, 3600, 3600):
        free.kill()
        free.clock.forward(wait - 1)
        with pytest.raises(CoolingDown):
            free.begin()
        free.clock.forward(1)


# ---- cancel


def test_a_canceled_verification_accepts_nothing(number: Number) -> None:
    verification = number.send()
    number.ledger, over = cancel(number.ledger, number.now, POLICY, number.of(verification))
    assert (over.status, over.ended_at) == (Status.CANCELED, number.clock.wall)
    assert number.check(verification).status == Status.CANCELED


def test_canceling_gives_no_message_back(number: Number) -> None:
    verification = number.send()
    number.ledger, _ = cancel(number.ledger, number.now, POLICY, number.of(verification))
    with pytest.raises(TooSoon):
        number.begin()


def test_only_what_is_pending_can_be_canceled(number: Number) -> None:
    verification = number.send()
    number.check(verification)
    with pytest.raises(NotPending):
        cancel(number.ledger, number.now, POLICY, number.of(verification))


def test_what_has_expired_cannot_be_canceled(number: Number) -> None:
    verification = number.send()
    number.clock.forward(300)
    with pytest.raises(NotPending):
        cancel(number.ledger, number.now, POLICY, number.of(verification))


# ---- with the policy of an API that allows fewer attempts and reports an end once

FEWER = replace(POLICY, api_attempts=3, report_end_once=True)


def test_how_it_died_is_reported_once(number: Number) -> None:
    number.policy = FEWER
    verification = number.send()
    attempts = [number.check(verification, WRONG) for _ in range(3)]
    assert [(v.counted, v.attempts_left) for v in attempts] == [(True, 2), (True, 1), (True, 0)]
    reported = [number.check(verification) for _ in range(3)]
    assert [(v.status, v.counted, v.end_reported) for v in reported] == [
        (Status.MAX_ATTEMPTS_REACHED, False, already) for already in (False, True, True)
    ]


def test_that_it_expired_is_reported_once(number: Number) -> None:
    number.policy = FEWER
    verification = number.send()
    number.clock.forward(301)
    reported = [number.check(verification) for _ in range(2)]
    assert [(v.status, v.end_reported) for v in reported] == [(Status.EXPIRED, False), (Status.EXPIRED, True)]


def test_attempts_under_another_policy_count(number: Number) -> None:
    """Three under the one are all that the other allows; under the one there is more."""
    verification = number.send()
    for _ in range(3):
        number.check(verification, WRONG)
    number.policy = FEWER
    verdict = number.check(verification)
    assert (verdict.status, verdict.verification_id) == (Status.MAX_ATTEMPTS_REACHED, verification.id)
    assert (verdict.attempts_left, verdict.counted, verdict.end_reported, verdict.approval) == (0, False, False, None)
    number.policy = POLICY
    assert number.check(verification).approved


def test_a_refused_send_leaves_the_code_that_the_user_has(number: Number) -> None:
    """It ended the verification before it, and nothing came in its place."""
    verification = number.send()
    for _ in range(3):
        number.check(verification, WRONG)
    number.clock.forward(31)
    number.policy = FEWER
    number.refuse(Reason.UNREACHABLE)
    assert number.ledger.exhaustions == 0
    number.policy = POLICY
    assert number.check(verification).approved


def test_a_send_where_no_attempt_is_left_begins_a_new_verification(number: Number) -> None:
    """Otherwise its message would bring a code that cannot be used; the old one counts as a death."""
    verification = number.send()
    for _ in range(3):
        number.check(verification, WRONG)
    number.clock.forward(31)
    number.policy = FEWER
    again = number.send()
    assert again.id != verification.id
    assert number.of(verification).status == Status.MAX_ATTEMPTS_REACHED  # type: ignore[union-attr]
    assert number.ledger.exhaustions == 1
