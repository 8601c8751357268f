"""Begin: a message is counted, in the pending verification or a new one, or nothing happens at all."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from otp_app.core.errors import CoolingDown, TooManyPending, TooManySends, TooSoon
from otp_app.core.ledger import Status
from otp_app.core.policy import DAY, Policy
from tests.core.number import WRONG, Number


@pytest.fixture
def number() -> Number:
    return Number()


def test_a_first_send_begins_a_verification_and_counts(number: Number) -> None:
    verification, send = number.begin()
    assert (verification.purpose, verification.length, verification.life, verification.key) == ("login", 6, 300, "k1")
    assert (send.channel, send.state, send.at) == ("sms", "pending", number.clock.wall)
    assert number.of(verification) == verification
    assert verification.sends == (send,)
    assert (number.ledger.sent, number.ledger.last_send, number.ledger.streak) == ((send.at,), send.at, 1)


def test_a_send_while_one_is_pending_is_a_resend(number: Number) -> None:
    first = number.send()
    number.check(first, WRONG)
    number.clock.forward(30)
    again = number.send()
    assert (again.id, again.generation, again.attempts) == (first.id, 0, 1)
    assert len(again.sends) == 2
    assert again.left(number.now) == 300


def test_a_resend_gives_the_life_again_but_600_seconds_in_all() -> None:
    number = Number(Policy(gaps=()))
    first = number.send()
    for _ in range(2):
        number.clock.forward(250)
        assert number.send().id == first.id
    assert number.of(first).left(number.now) == 100  # type: ignore[union-attr]
    number.clock.forward(100)
    assert number.check(first).status == Status.EXPIRED


@pytest.mark.parametrize(("age", "same"), [(240, True), (260, True), (270.5, False), (290, False)])
def test_with_under_a_minute_of_total_life_left_a_send_begins_anew(age: float, same: bool) -> None:
    number = Number(Policy(gaps=()))
    first = number.send()
    number.clock.forward(270)
    number.send()
    number.clock.forward(age)
    second = number.send()
    assert (second.id == first.id) is same
    if not same:
        assert number.of(first).status == Status.EXPIRED  # type: ignore[union-attr]
        assert second.left(number.now) == 300


def test_purposes_have_verifications_of_their_own() -> None:
    number = Number(Policy(gaps=()))
    assert number.send(purpose="login").id != number.send(purpose="payment").id
    assert len(list(number.ledger.pending(number.now))) == 2


def test_at_most_eight_purposes_are_pending() -> None:
    number = Number(Policy(gaps=(), sends_per_hour=0, sends_per_day=0))
    for n in range(8):
        number.send(purpose=f"p{n}")
        number.clock.forward(1)
    with pytest.raises(TooManyPending) as reached:
        number.begin(purpose="one-more")
    assert reached.value.retry_after == 292
    number.send(purpose="p7")  # a resend needs no room
    number.clock.forward(292)
    number.send(purpose="one-more")


@pytest.mark.parametrize("kind", [TooSoon, TooManySends, CoolingDown])
def test_a_limit_changes_nothing_and_harms_no_pending_verification(kind: type[Exception]) -> None:
    number = Number(Policy(gaps=(30,) if kind is TooSoon else (), sends_per_hour=1 if kind is TooManySends else 5))
    if kind is CoolingDown:
        number.kill()
    pending = number.send(authenticated=True, purpose="payment")
    before = number.ledger
    with pytest.raises(kind):
        number.begin(purpose="payment")
    assert number.ledger == before
    assert number.check(pending).approved


def test_a_number_under_attack_gets_longer_codes(number: Number) -> None:
    number.ledger = replace(number.ledger, risk=((int(number.clock.wall // DAY), 40 * 10_000),))
    assert number.send().length == 8


def test_a_pending_verification_keeps_its_length_when_the_risk_rises() -> None:
    number = Number(Policy(gaps=()))
    first = number.send()
    number.ledger = replace(number.ledger, risk=((int(number.clock.wall // DAY), 40 * 10_000),))
    assert number.send().length == first.length == 6


def test_a_new_code_on_resend_keeps_the_tries() -> None:
    number = Number(Policy(gaps=(), new_code_on_resend=True))
    first = number.send()
    number.check(first, WRONG)
    again = number.send()
    assert (again.id, again.generation, again.attempts) == (first.id, 1, 1)


def test_a_test_number_is_sent_nothing_and_has_no_limits(number: Number) -> None:
    for _ in range(30):
        verification, send = number.begin(test_code="12345678")
    assert (verification.length, send.state) == (8, "sent")
    assert (number.ledger.sent, number.ledger.streak) == ((), 0)
