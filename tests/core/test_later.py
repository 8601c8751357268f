"""The outcome `sent` in a store that makes swaps later: no one waits for it, and the end of the process loses it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from otp_app.core.delivery import Delivery, Outcome
from otp_app.core.errors import DeliveryRefused, StoreUnavailable, TooSoon
from otp_app.core.events import OutcomeLost
from otp_app.core.results import SendRequest
from otp_app.core.store import Swap
from tests.core.fakes import PHONE, UNKNOWN, DictStore, FakeClock, LaterStore, World, refused, wrong


@pytest.fixture
def later(clock: FakeClock) -> World:
    """A server whose store does not keep it waiting for what was sent."""
    return World(clock=clock, stores=LaterStore)


def _store(world: World) -> LaterStore:
    assert isinstance(world.store, LaterStore)
    return world.store


def _state(world: World) -> str:
    return world.ledger().verifications[0].sends[0].state


def test_a_send_waits_for_its_count_and_not_for_its_outcome(later: World) -> None:
    service = later.service()
    sending = service.send(PHONE, SendRequest())
    assert (later.store.calls, _state(later)) == (["swap"], "pending")
    assert service.status(sending.verification_id).verification.sends[0].state == Outcome.SENT


@pytest.mark.parametrize(("delivery", "state"), [(refused(), None), (UNKNOWN, "unknown")])
def test_every_other_outcome_is_stored_before_the_answer(later: World, delivery: Delivery, state: str | None) -> None:
    later.sms.script = [delivery]
    if state is None:
        with pytest.raises(DeliveryRefused):
            later.send()
        assert later.ledger().verifications == ()
    else:
        later.send()
        assert _state(later) == state
    assert _store(later).later == []


def test_a_check_after_a_send_needs_no_read(later: World) -> None:
    """The record that the server remembers has the outcome."""
    service = later.service()
    service.send(PHONE, SendRequest())
    assert service.check(later.code(), phone_number=PHONE).approved
    assert (later.store.calls, _state(later)) == (["swap", "swap"], "sent")


def _lose_what_waits(world: World) -> None:
    _store(world).later.clear()


def _fail_after_the_message(world: World) -> None:
    """As before there were later swaps."""

    def fail(verb: str, index: int) -> None:
        if world.sms.messages:
            raise StoreUnavailable

    world.store.before = fail


def test_a_process_that_dies_before_the_swap_loses_what_a_store_that_fails_loses(clock: FakeClock) -> None:
    """The ledger shows a message of unknown outcome: its code works once, and the next one waits for its gap."""
    failing, dying = World(clock=clock), World(clock=clock, stores=LaterStore)
    _fail_after_the_message(failing)
    for world in (failing, dying):
        assert world.send().outcome == Outcome.SENT
    _lose_what_waits(dying)
    failing.store.before = lambda verb, index: None
    assert dying.store.values == failing.store.values
    with pytest.raises(TooSoon):
        dying.send()
    assert dying.service().check(dying.code(), phone_number=PHONE).approved
    assert not dying.service().check(dying.code(), phone_number=PHONE).approved


def test_a_change_of_another_process_before_the_swap_is_kept(later: World) -> None:
    later.send()
    other = DictStore(later.clock)
    other.values = later.store.values
    mine, later.store = later.store, other
    later.service().check(wrong(later.code()), phone_number=PHONE)
    later.store = mine
    _store(later).catch_up()
    assert (_state(later), later.ledger().verifications[0].attempts) == ("sent", 1)


def test_a_clock_that_was_set_before_the_swap_is_corrected_first(later: World) -> None:
    later.sms.during = lambda message: later.clock.set(3600.0)
    later.send()
    _store(later).catch_up()
    send = later.ledger().verifications[0].sends[0]
    assert (send.state, send.at) == ("sent", later.clock.wall)


def _cannot_be_made(key: str, old: bytes | None, new: bytes | None, ttl: float, then: Callable[[None], None]) -> None:
    then(None)


def _is_closed(*_: object) -> None:
    raise StoreUnavailable("The store is closed")


@pytest.mark.parametrize("fault", [_cannot_be_made, _is_closed])
def test_a_swap_that_cannot_be_made_is_reported_and_changes_no_answer(
    later: World, monkeypatch: pytest.MonkeyPatch, fault: Callable[..., None]
) -> None:
    monkeypatch.setattr(later.store, "swap_later", fault)
    assert later.send().outcome == Outcome.SENT
    assert isinstance(later.events[-1], OutcomeLost)


def test_a_swap_that_lost_and_cannot_be_made_again_is_reported(
    later: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    thens: list[Callable[[Swap], None]] = []
    monkeypatch.setattr(later.store, "swap_later", lambda *swap: thens.append(swap[-1]))
    later.send()
    monkeypatch.setattr(later.store, "swap_later", _is_closed)
    thens[0](Swap(won=False, found=next(iter(later.store.values.values()))[0]))
    assert isinstance(later.events[-1], OutcomeLost)
