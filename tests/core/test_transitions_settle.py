"""Settle: what became of a send is noted once; a refusal gives back what it may and kills nothing."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from otp_app.core.delivery import Delivery, Outcome, Reason
from otp_app.core.errors import DeliveryRefused, TooSoon
from otp_app.core.ledger import Send
from otp_app.core.ledger_json import decode, encode
from otp_app.core.policy import Policy
from otp_app.core.refusals import GAP_KEPT
from otp_app.core.send_transitions import settle
from tests.core.fakes import SENT, UNKNOWN, refused
from tests.core.number import Number


@pytest.fixture
def number() -> Number:
    return Number()


def test_a_sent_message_keeps_its_slot_and_the_providers_name_for_it(number: Number) -> None:
    send = number.of(number.send()).sends[0]  # type: ignore[union-attr]
    assert (send.state, send.provider_id) == ("sent", SENT.provider_id)
    assert number.ledger.sent == (number.clock.wall,)


def test_an_unknown_outcome_keeps_slot_gap_and_verification(number: Number) -> None:
    verification, send = number.begin()
    number.ledger = settle(number.ledger, number.now, send.id, UNKNOWN)
    assert (len(number.ledger.sent), number.ledger.streak) == (1, 1)
    assert number.check(verification).approved


@pytest.mark.parametrize("second", [SENT, UNKNOWN, refused(), refused(Reason.BAD_NUMBER)])
@pytest.mark.parametrize("first", [SENT, UNKNOWN, refused()])
def test_a_send_is_settled_once(first: Any, second: Any) -> None:
    number = Number(Policy(gaps=()))
    number.send()
    _, send = number.begin()
    once = settle(number.ledger, number.now, send.id, first)
    assert settle(once, number.now, send.id, second) == once


def test_settling_what_is_not_there_changes_nothing(number: Number) -> None:
    number.send()
    assert settle(number.ledger, number.now, "VL" + "f" * 32, SENT) == number.ledger


@pytest.mark.parametrize("reason", Reason)
def test_a_refused_first_send_leaves_no_verification(number: Number, reason: Reason) -> None:
    verification = number.refuse(reason)
    assert number.of(verification) is None


@pytest.mark.parametrize("reason", Reason)
def test_a_refused_resend_never_kills_the_pending_verification(number: Number, reason: Reason) -> None:
    first = number.send()
    number.clock.forward(30)
    number.refuse(reason)
    assert number.check(first).approved


@pytest.mark.parametrize("reason", sorted(set(Reason) - GAP_KEPT), ids=str)
def test_a_refusal_that_is_not_about_the_number_gives_slot_and_gap_back(number: Number, reason: Reason) -> None:
    number.send()
    before = number.ledger
    number.clock.forward(30)
    number.refuse(reason)
    after = number.ledger
    assert (after.sent, after.last_send, after.streak) == (before.sent, before.last_send, before.streak)
    assert after.refusals == ()


def test_a_message_that_was_taken_and_then_failed_keeps_slot_and_gap(number: Number) -> None:
    """The provider may have charged for it; it says nothing about the number."""
    number.refuse(Reason.FAILED)
    assert (len(number.ledger.sent), number.ledger.streak, number.ledger.refusals) == (1, 1, ())


@pytest.mark.parametrize(
    ("reason", "slot_kept"),
    [(Reason.BAD_NUMBER, False), (Reason.BLOCKED, False), (Reason.SUSPICIOUS, True), (Reason.OPTED_OUT, True)],
)
def test_a_refusal_about_the_number_keeps_the_gap_and_is_believed_for_10_minutes(
    number: Number, reason: Reason, slot_kept: bool
) -> None:
    number.refuse(reason)
    assert len(number.ledger.sent) == slot_kept
    with pytest.raises(TooSoon):
        number.begin()
    number.clock.forward(30)
    with pytest.raises(DeliveryRefused) as refusal:
        number.begin()
    assert refusal.value.reason == reason
    number.clock.forward(570)
    number.begin()


def test_a_channel_that_refused_the_number_is_left_out_and_another_one_tried(number: Number) -> None:
    number.refuse(Reason.BAD_NUMBER, channels=("whatsapp",))
    number.clock.forward(30)
    assert number.begin(channels=("whatsapp", "sms"))[1].channel == "sms"


def test_the_next_channel_takes_over_the_slot(number: Number) -> None:
    verification, send = number.begin(channels=("whatsapp", "sms"))
    following = Send("VL" + "a" * 32, "sms", number.clock.wall)
    number.ledger = settle(number.ledger, number.now, send.id, refused(Reason.BAD_NUMBER), following)
    assert len(number.ledger.sent) == 1
    assert [s.state for s in number.of(verification).sends] == ["refused", "pending"]  # type: ignore[union-attr]
    number.ledger = settle(number.ledger, number.now, following.id, SENT)
    assert number.check(verification).approved


def test_when_every_channel_refuses_the_slot_comes_back_though_time_has_passed(number: Number) -> None:
    """The second channel's step begins later than the slot that it took over."""
    _, send = number.begin(channels=("whatsapp", "sms"))
    number.clock.forward(2.5)
    following = Send("VL" + "a" * 32, "sms", number.clock.wall)
    number.ledger = settle(number.ledger, number.now, send.id, refused(), following)
    number.clock.forward(2.5)
    number.ledger = settle(number.ledger, number.now, following.id, refused())
    assert (number.ledger.sent, number.ledger.streak, number.ledger.last_send) == ((), 0, 0)


def test_the_next_channel_takes_over_the_gap_from_when_it_begins(number: Number) -> None:
    _, send = number.begin(channels=("whatsapp", "sms"))
    number.clock.forward(2.5)
    following = Send("VL" + "a" * 32, "sms", number.clock.wall)
    number.ledger = settle(number.ledger, number.now, send.id, refused(), following)
    assert (number.ledger.sent, number.ledger.last_send) == ((following.at,), following.at)


def test_however_many_resends_are_refused_the_sent_code_stays_good() -> None:
    """The history of sends is trimmed on disk; that the first one went must not be forgotten with it."""
    number = Number()
    first = number.send(purpose="p" * 32)
    number.clock.forward(30)
    for _ in range(60):
        number.refuse(Reason.UNREACHABLE, purpose="p" * 32)
        number.ledger = decode(encode(number.ledger))
        number.clock.forward(1)
    assert number.check(first).approved


def test_a_refused_new_code_leaves_the_old_one_good() -> None:
    """With a new code on each resend, the one that never left must not replace the one that the user has."""
    number = Number(Policy(gaps=(), new_code_on_resend=True))
    first = number.send()
    number.refuse(Reason.UNREACHABLE)
    assert number.of(first).generation == first.generation  # type: ignore[union-attr]
    assert number.send().generation == 1
    number.refuse(Reason.BAD_NUMBER)
    assert number.of(first).generation == 1  # type: ignore[union-attr]


def test_a_code_whose_message_was_forgotten_is_not_replaced_by_an_older_one() -> None:
    """A full record forgets that it left; a resend of it that is refused must not lead back behind it."""
    number = Number(Policy(gaps=(), new_code_on_resend=True))
    first = number.send()
    number.send()
    number.policy = Policy(gaps=())
    number.ledger = number.ledger.with_verification(replace(number.of(first), sends=()))  # type: ignore[type-var]
    number.refuse(Reason.UNREACHABLE)
    assert number.of(first).generation == 1  # type: ignore[union-attr]


def test_a_new_code_that_may_have_arrived_replaces_the_old_one() -> None:
    number = Number(Policy(gaps=(), new_code_on_resend=True))
    first = number.send()
    _, send = number.begin()
    number.ledger = settle(number.ledger, number.now, send.id, UNKNOWN)
    assert number.of(first).generation == 1  # type: ignore[union-attr]


def test_a_refusal_without_a_reason_is_a_failure(number: Number) -> None:
    verification, send = number.begin()
    number.ledger = settle(number.ledger, number.now, send.id, Delivery(Outcome.REFUSED))
    assert number.of(verification) is None


def test_attempts_while_a_refused_message_was_on_its_way_are_not_free(number: Number) -> None:
    """With a provider that refuses late, attempt and send again would have no end: slot and gap stay."""
    verification, send = number.begin()
    number.check(verification, "not it")
    number.ledger = settle(number.ledger, number.now, send.id, refused(Reason.UNREACHABLE))
    assert (len(number.ledger.sent), number.ledger.streak) == (1, 1)
