"""A late outcome takes a step back only where nothing happened to its purpose since, whatever runs in between."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

from otp_app.core.check_transitions import approve, cancel
from otp_app.core.delivery import Reason
from otp_app.core.errors import TooSoon
from otp_app.core.ledger import Send, Status, Verification
from otp_app.core.policy import Policy
from otp_app.core.send_transitions import settle
from tests.core.fakes import SENT, refused
from tests.core.interleaved import VERIFY, Interleaved, walk
from tests.core.number import WRONG, Number
from tests.rounds import rounds

NATIVE = Policy()
WALKS = rounds(40, 300)
USERS = replace(NATIVE, api_attempts=3, report_end_once=True)


@pytest.fixture
def number() -> Number:
    return Number()


def _replaced(number: Number) -> tuple[Verification, Verification, Send]:
    """A verification without attempts for one API, and the send of that API which ended it and is on its way."""
    before = number.send()
    for _ in range(3):
        number.check(before, WRONG)
    number.clock.forward(31)
    number.policy = USERS
    return before, *number.begin()


@pytest.mark.parametrize("end", [cancel, approve])
def test_a_late_refusal_never_makes_a_second_verification_of_a_purpose_pending(number: Number, end: object) -> None:
    before, gone, send = _replaced(number)
    number.clock.forward(1)
    number.ledger, _ = end(number.ledger, number.now, number.policy, gone)  # type: ignore[operator]
    number.clock.forward(121)
    latest = number.send()
    number.ledger = settle(number.ledger, number.now, send.id, refused())
    assert [v.id for v in number.ledger.pending(number.now)] == [latest.id]
    assert number.of(before).status == Status.MAX_ATTEMPTS_REACHED  # type: ignore[union-attr]


def test_a_late_refusal_revives_nothing_once_the_new_code_had_an_attempt(number: Number) -> None:
    before, gone, send = _replaced(number)
    number.check(gone, WRONG)
    number.ledger = settle(number.ledger, number.now, send.id, refused())
    assert number.of(before).status == Status.MAX_ATTEMPTS_REACHED  # type: ignore[union-attr]


def test_a_verification_that_ended_for_want_of_life_stays_ended(number: Number) -> None:
    """Its code would be dead before it could be typed."""
    number.policy = replace(NATIVE, ttl=600.0)
    before = number.send()
    number.clock.forward(545)
    number.refuse(Reason.UNREACHABLE)
    assert number.of(before).status == Status.EXPIRED  # type: ignore[union-attr]


def test_a_verification_that_ended_while_its_message_was_on_its_way_stays_as_it_ended(number: Number) -> None:
    verification, send = number.begin()
    number.ledger, _ = cancel(number.ledger, number.now, number.policy, verification)
    number.ledger = settle(number.ledger, number.now, send.id, refused())
    assert number.of(verification).status == Status.CANCELED  # type: ignore[union-attr]


def test_a_new_code_that_never_left_is_not_the_one_that_is_good_again(number: Number) -> None:
    """Its caller vouched while it was on its way; the user has the code before it."""
    number.policy = Policy(gaps=(), new_code_on_resend=True)
    first = number.send()
    _, send = number.begin()
    number.ledger, _ = approve(number.ledger, number.now, number.policy, number.of(first))  # type: ignore[arg-type]
    number.ledger = settle(number.ledger, number.now, send.id, refused())
    assert number.of(first).generation == 0  # type: ignore[union-attr]
    assert number.of(first).status == Status.APPROVED  # type: ignore[union-attr]


def test_a_late_refusal_leaves_the_gap_of_a_later_refusal_about_the_number(number: Number) -> None:
    """Two APIs share a number: the first has no gaps, the second's refusal keeps its gap."""
    number.policy = VERIFY
    _, slow = number.begin()
    number.clock.forward(31)
    number.refuse(Reason.BAD_NUMBER, purpose="payment")
    number.ledger = settle(number.ledger, number.now, slow.id, refused())
    assert number.ledger.last_send == number.clock.wall


def test_a_refusal_leaves_the_gap_of_an_earlier_refusal_about_the_number(number: Number) -> None:
    """It gives back its own gap, and no other: the API without gaps does not end that of the one with them."""
    number.refuse(Reason.BAD_NUMBER)
    number.policy = VERIFY
    number.clock.forward(1)
    number.refuse(Reason.UNREACHABLE, purpose="payment", channels=("whatsapp",))
    number.policy = NATIVE
    with pytest.raises(TooSoon):
        number.begin(channels=("whatsapp",))


def test_a_message_handed_on_counts_whatever_became_of_the_slot_before_it(number: Number) -> None:
    """As when a server with another clock put the stamp elsewhere: nothing leaves without its place in the caps."""
    _, slow = number.begin(channels=("whatsapp", "sms"))
    number.ledger = structs.replace(number.ledger, sent=())
    number.ledger = settle(number.ledger, number.now, slow.id, refused(), Send("VL", "sms", number.clock.wall))
    assert len(number.ledger.sent) == 1


def test_a_late_refusal_takes_nothing_from_a_streak_that_an_approval_began_anew(number: Number) -> None:
    number.policy = VERIFY
    first = number.send()
    _, slow = number.begin(purpose="payment")
    number.check(first)
    for _ in range(2):
        number.send(purpose="other")
    before = number.ledger.streak
    number.ledger = settle(number.ledger, number.now, slow.id, refused())
    assert number.ledger.streak == before


def test_short_codes_that_late_refusals_may_bring_back_count_beside_new_ones() -> None:
    """One of four digits, longer for three attempts and then replaced, is as it was once both messages are refused."""
    verify: dict[str, object] = {"policy": "verify, four digits", "authenticated": True}
    same = {"code": "", "replace_code": False}
    Interleaved().run([
        ("send", verify | same | {"purpose": "login", "answer": SENT}),
        ("send", verify | {"purpose": "login", "code": "87654321", "replace_code": True, "answer": None}),
        ("attempt", {"which": 0, "policy": "native", "wrongs": 3}),
        ("send", verify | same | {"policy": "users", "purpose": "login", "answer": None}),
        ("send", verify | same | {"purpose": "pay", "answer": SENT}),
        ("hear", {"which": 1, "answer": refused(), "hand_on": False}),
        ("hear", {"which": 0, "answer": refused(), "hand_on": False}),
    ])


# ---- everything, in any order


@pytest.mark.parametrize("clocks", [False, True], ids=["clocks that run", "clocks that are set"])
@pytest.mark.parametrize("part", range(4))
def test_outcomes_at_any_time_keep_to_the_rules(part: int, clocks: bool) -> None:
    """Two APIs or servers on one number, with choices, attempts and ends in between: in no order gives a rule way."""
    for seed in range(part * WALKS, (part + 1) * WALKS):
        steps = walk(seed, clocks=clocks)
        try:
            Interleaved().run(steps)
        except AssertionError as error:
            error.add_note("\n".join(str(step) for step in steps))
            raise
