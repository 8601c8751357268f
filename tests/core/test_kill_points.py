"""A store that fails, or a process that dies, at every single store call of a send and of a check."""

from __future__ import annotations

from contextlib import suppress

import pytest

from otp_app.core.delivery import Delivery
from otp_app.core.errors import OtpError, StoreUnavailable
from otp_app.core.ledger import Status
from tests.core.fakes import PHONE, SENT, UNKNOWN, World, refused, wrong


class Dead(BaseException):
    """The process was killed here."""


FAULTS = [StoreUnavailable, Dead]
MOMENTS = ["before", "after"]  # the store did not do its work, or did it and could not say so
OUTCOMES: dict[str, list[Delivery]] = {
    "sent": [SENT],
    "unknown": [UNKNOWN],
    "refused, sent": [refused(), SENT],
    "refused twice": [refused(), refused()],
}


def _fail(world: World, moment: str, turn: int, fault: type[BaseException]) -> None:
    first = len(world.store.calls)

    def fail(verb: str, index: int) -> None:
        if index == first + turn:
            raise fault

    setattr(world.store, moment, fail)


def _heal(world: World) -> None:
    world.store.before = world.store.after = lambda verb, index: None


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("turn", range(7))
def test_a_send_that_breaks_off_sends_each_channels_message_once_at_most(
    two_channels: World, turn: int, outcome: str, moment: str, fault: type[BaseException]
) -> None:
    world = two_channels
    for channel, delivery in zip(world.channels, OUTCOMES[outcome], strict=False):
        channel.script = [delivery]
    _fail(world, moment, turn, fault)
    with suppress(OtpError, Dead):
        world.send()
    _heal(world)
    assert all(len(c.messages) <= 1 for c in world.channels)
    assert len(world.messages()) <= len(OUTCOMES[outcome])
    for message in world.messages():  # whatever left was counted first
        assert world.ledger().by_send(message.send_id) or OUTCOMES[outcome][-1] != SENT
    _the_code_that_arrived_works_once(world, outcome)
    for channel in world.channels:
        channel.script = []
    world.clock.forward(30)
    world.send(purpose="later")
    assert world.service().check(world.channels[0].messages[-1].code, phone_number=PHONE, purpose="later").approved


def _the_code_that_arrived_works_once(world: World, outcome: str) -> None:
    for channel, delivery in zip(world.channels, OUTCOMES[outcome], strict=False):
        if channel.messages and delivery == SENT:
            code = channel.messages[0].code
            assert world.service().check(code, phone_number=PHONE).approved
            assert not world.service().check(code, phone_number=PHONE).approved


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("turn", range(3))
def test_no_acceptance_without_a_stored_approval(
    world: World, turn: int, moment: str, fault: type[BaseException]
) -> None:
    sending = world.send()
    code, accepted = world.code(), 0
    _fail(world, moment, turn, fault)
    with suppress(OtpError, Dead):
        accepted += world.service().check(code, phone_number=PHONE).approved
    _heal(world)
    stored = world.service().status(sending.verification_id).status
    assert accepted <= (stored == Status.APPROVED)
    accepted += world.service().check(code, phone_number=PHONE).approved
    assert accepted <= 1
    assert world.service().status(sending.verification_id).status == Status.APPROVED


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("turn", range(10))
def test_attempts_that_break_off_give_no_sixth(
    world: World, turn: int, moment: str, fault: type[BaseException]
) -> None:
    world.send()
    code, answered = world.code(), 0
    _fail(world, moment, turn, fault)
    for _ in range(8):
        with suppress(OtpError, Dead):
            answered += world.service().check(wrong(code), phone_number=PHONE).counted
    _heal(world)
    assert answered <= 5
    assert world.ledger().verifications[0].attempts == 5
    assert not world.service().check(code, phone_number=PHONE).approved


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("turn", range(3))
def test_a_cancel_that_breaks_off_happened_or_not(world: World, turn: int, moment: str) -> None:
    sending = world.send()
    _fail(world, moment, turn, Dead)
    with suppress(Dead):
        world.service().cancel(sending.verification_id)
    _heal(world)
    stored = world.service().status(sending.verification_id).status
    assert world.service().check(world.code(), phone_number=PHONE).approved is (stored == Status.PENDING)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_process_that_dies_in_the_provider_sends_nothing_again(two_channels: World, outcome: str) -> None:
    """The code may have arrived: it works; the next message waits for its gap."""

    def die(message: object) -> None:
        raise Dead

    two_channels.channels[0].during = die
    with pytest.raises(Dead):
        two_channels.send()
    two_channels.channels[0].during = lambda message: None
    with pytest.raises(OtpError):
        two_channels.send()
    assert len(two_channels.messages()) == 1
    assert two_channels.service().check(two_channels.code(), phone_number=PHONE).approved
