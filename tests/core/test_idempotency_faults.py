"""Processes that die or sleep and stores that fail: still one message at most under one key."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from otp_app.core.delivery import Outcome
from otp_app.core.errors import DeliveryRefused, IdempotencyInProgress, OtpError, StoreUnavailable, TooSoon
from otp_app.core.idempotency import LEASE, IdempotentSends
from otp_app.core.policy import DAY, Policy
from otp_app.core.results import SendResult
from tests.core.caller import Caller, Dead, die
from tests.core.fakes import FakeChannel, World, refused


def test_a_call_thatdied_before_its_message_is_taken_over_after_the_lease(caller: Caller) -> None:
    caller.world.store.before = lambda verb, index: die() if index == 1 else None
    with pytest.raises(Dead):
        caller.send()
    caller.world.store.before = lambda verb, index: None
    caller.world.clock.forward(LEASE)
    with pytest.raises(IdempotencyInProgress):
        caller.send()
    caller.world.clock.forward(0.001)
    assert caller.send().outcome == Outcome.SENT
    assert len(caller.world.messages()) == 1


def test_a_call_thatdied_with_its_message_is_answered_unknown_and_never_sent_again(caller: Caller) -> None:
    caller.world.sms.during = die
    with pytest.raises(Dead):
        caller.send()
    caller.world.sms.during = lambda message: None
    with pytest.raises(IdempotencyInProgress):
        caller.send()
    for wait in (LEASE + 1, 600, DAY / 2):
        caller.world.clock.forward(wait)
        again = caller.send()
        assert again.outcome == Outcome.UNKNOWN
    assert again.verification_id == caller.world.ledger().verifications[0].id
    assert len(caller.world.messages()) == 1


def test_two_that_take_over_at_the_same_moment_make_one_message(caller: Caller) -> None:
    caller.world.store.before = lambda verb, index: die() if index == 1 else None
    with pytest.raises(Dead):
        caller.send()
    caller.world.clock.forward(LEASE + 1)

    def rival(verb: str, index: int) -> None:
        if index == rivals_turn:
            caller.world.store.before = lambda verb, index: None
            caller.send()

    rivals_turn = len(caller.world.store.calls) + 1  # between the look and the take-over
    caller.world.store.before = rival
    with pytest.raises(IdempotencyInProgress):
        caller.send()
    assert len(caller.world.messages()) == 1


@pytest.mark.parametrize("gaps", [(), (30.0,)], ids=["no gap", "gap"])
@pytest.mark.parametrize("pause_at", range(1, 3))
def test_a_paused_call_that_wakes_after_the_take_over_sends_nothing(
    caller: Caller, gaps: tuple[float, ...], pause_at: int
) -> None:
    """It slept before its note was written: at each store call up to the note."""
    caller.world.policy = Policy(gaps=gaps)

    def take_over() -> None:
        caller.world.clock.forward(LEASE + 1)
        with suppress(TooSoon):
            caller.send()

    _interrupt(caller.world, pause_at, take_over)
    with pytest.raises(OtpError):
        caller.send()
    counted_already = gaps and pause_at == 2  # then the gap refuses the one that takes over
    assert len(caller.world.messages()) == (0 if counted_already else 1)


def test_a_call_that_sleeps_after_its_note_sends_the_only_message(caller: Caller) -> None:
    answers: list[SendResult] = []

    def later(_: Any) -> None:
        caller.world.sms.during = lambda message: None
        caller.world.clock.forward(LEASE + 1)
        answers.append(caller.send())

    caller.world.sms.during = later
    done = caller.send()
    assert answers[0].outcome == Outcome.UNKNOWN
    assert answers[0].verification_id == done.verification_id
    assert caller.send() == done
    assert len(caller.world.messages()) == 1


def _interrupt(world: World, at: int, what: Callable[[], object]) -> None:
    """Do something just before a store call, counted from now."""
    turn = len(world.store.calls) + at

    def before(verb: str, index: int) -> None:
        if index == turn:
            world.store.before = lambda verb, index: None
            what()

    world.store.before = before


def test_a_paused_call_whose_key_was_freed_by_another_sends_nothing(caller: Caller) -> None:
    """Its claim is gone, taken over and given back: the note finds nothing to replace."""
    caller.world.policy = Policy(gaps=())

    def take_over_and_be_refused() -> None:
        caller.world.clock.forward(LEASE + 1)
        caller.world.sms.script = [refused()]
        with pytest.raises(DeliveryRefused):
            caller.send()

    _interrupt(caller.world, 2, take_over_and_be_refused)
    with pytest.raises(IdempotencyInProgress):
        caller.send()
    assert len(caller.world.messages()) == 1


# ---- a store that fails


@pytest.mark.parametrize("after", [False, True], ids=["not written", "written"])
@pytest.mark.parametrize("turn", range(8))
def test_with_a_store_that_fails_anywhere_a_key_makes_at_most_one_message(
    caller: Caller, turn: int, after: bool
) -> None:
    def fail(verb: str, index: int) -> None:
        if index == turn:
            raise StoreUnavailable

    setattr(caller.world.store, "after" if after else "before", fail)
    with suppress(OtpError):
        caller.send()
    caller.world.store.before = caller.world.store.after = lambda verb, index: None
    for _ in range(4):
        caller.world.clock.forward(40)
        with suppress(OtpError):
            caller.send()
    assert len(caller.world.messages()) <= 1


def test_a_note_whose_answer_was_lost_does_not_say_for_a_day_that_a_message_may_have_left(caller: Caller) -> None:
    """It is in the store, but its call has sent nothing; so the next one sends."""

    def lose(verb: str, index: int) -> None:
        if verb == "swap" and len(caller.world.store.calls) == 3:  # the claim, the ledger, the note
            raise StoreUnavailable

    caller.world.store.after = lose
    with pytest.raises(StoreUnavailable):
        caller.send()
    caller.world.clock.forward(40)  # past the gap, as the message was counted
    assert caller.send().outcome == Outcome.SENT
    assert len(caller.world.messages()) == 1


def test_a_store_that_fails_between_two_channels_frees_the_key(caller: Caller) -> None:
    """The first one has refused the message and the second was not asked, so the next call sends."""
    whatsapp, sms = FakeChannel("whatsapp"), FakeChannel("sms")
    caller.world.channels, whatsapp.script = (whatsapp, sms), [refused()]

    def fail(_: object) -> None:
        _interrupt(caller.world, 0, no_store)

    def no_store() -> None:
        raise StoreUnavailable

    whatsapp.during = fail
    with pytest.raises(StoreUnavailable):
        caller.send()
    whatsapp.during = lambda message: None
    caller.world.clock.forward(40)  # past the gap, as the message was counted
    assert caller.send().outcome == Outcome.SENT


@pytest.mark.parametrize("who_frees", ["the next send", "the sweeper"])
def test_a_key_that_the_store_cannot_free_is_freed_once_it_can(caller: Caller, who_frees: str) -> None:
    """The answer to the note was lost, and the next calls fail as well, as a breaker lets them."""

    def fail(verb: str, index: int) -> None:
        if index >= 2:  # from the note on
            raise StoreUnavailable

    store = caller.world.store
    store.after = fail
    process = IdempotentSends(store, caller.world.clock)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            caller.send(process=process)
    process.free_left()
    store.after = lambda verb, index: None
    caller.world.clock.forward(40)  # past the gap, as the message was counted
    if who_frees == "the sweeper":
        process.free_left()
        assert caller.send().outcome == Outcome.SENT
    assert caller.send(process=process).outcome == Outcome.SENT
    assert len(caller.world.messages()) == 1


def test_a_store_that_fails_after_the_answer_does_not_change_it(caller: Caller) -> None:
    def fail(verb: str, index: int) -> None:
        if caller.world.messages():
            raise StoreUnavailable

    caller.world.store.before = fail
    assert caller.send().outcome == Outcome.SENT
    caller.world.store.before = lambda verb, index: None
    caller.world.clock.forward(LEASE + 1)
    assert caller.send().outcome == Outcome.UNKNOWN
