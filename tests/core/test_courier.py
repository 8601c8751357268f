"""One message a step, the next channel only after a certain refusal, and the truth about what went."""

from __future__ import annotations

import pytest

from otp_app.core.delivery import Delivery, Message, Outcome, Reason
from otp_app.core.errors import DeliveryRefused, StoreUnavailable
from otp_app.core.events import OutcomeLost, Refused, Sent
from otp_app.core.ledger import Status
from otp_app.core.results import SendRequest
from otp_app.core.store import Swap
from otp_app.core.texts import Texts
from tests.core.fakes import PHONE, SENT, UNKNOWN, World, refused, wrong

FALLING = [Reason.BAD_NUMBER, Reason.UNREACHABLE, Reason.ACCOUNT, Reason.THROTTLED, Reason.OPTED_OUT]


def test_a_message_has_the_number_the_code_the_text_and_what_is_left_of_its_life(world: World) -> None:
    world.texts = Texts(default="{code} for {minutes} min")
    world.send()
    message = world.sms.messages[0]
    assert (message.to, message.ttl) == (PHONE, 300)
    assert message.text == f"{message.code} for 5 min"
    assert message.send_id == world.ledger().verifications[0].sends[0].id


def test_the_text_of_a_resend_tells_the_life_that_is_left(world: World) -> None:
    world.texts = Texts(default="{code} {minutes}")
    for wait in (150, 150, 225, 300):
        sending = world.send()
        assert sending.expires_in == world.sms.messages[-1].ttl
        world.clock.forward(wait)
    assert [m.ttl for m in world.sms.messages] == [300, 300, 300, 75]
    assert [m.text[-2:] for m in world.sms.messages] == [" 5", " 5", " 5", " 1"]


def test_a_step_is_in_the_ledger_before_its_message_leaves(two_channels: World) -> None:
    seen: list[str] = []

    def look(message: Message) -> None:
        _, send = two_channels.ledger().by_send(message.send_id) or (None, None)
        assert send
        seen.append(f"{send.channel} {send.state}")

    for channel in two_channels.channels:
        channel.during = look
    two_channels.channels[0].script = [refused()]
    two_channels.send()
    assert seen == ["whatsapp pending", "sms pending"]


@pytest.mark.parametrize("delivery", [SENT, UNKNOWN], ids=["sent", "unknown"])
def test_no_second_channel_where_the_first_message_may_arrive(two_channels: World, delivery: Delivery) -> None:
    two_channels.channels[0].script = [delivery]
    sending = two_channels.send()
    assert (sending.channel, sending.outcome) == ("whatsapp", delivery.outcome)
    assert len(two_channels.messages()) == 1


@pytest.mark.parametrize("reason", FALLING)
def test_a_certain_refusal_goes_to_the_next_channel_with_the_same_code(two_channels: World, reason: Reason) -> None:
    two_channels.channels[0].script = [refused(reason)]
    sending = two_channels.send()
    whatsapp, sms = two_channels.messages()
    assert (sending.channel, sending.outcome) == ("sms", Outcome.SENT)
    assert whatsapp.code == sms.code
    assert whatsapp.send_id != sms.send_id
    assert [s.state for s in two_channels.ledger().verifications[0].sends] == ["refused", "sent"]
    assert len(two_channels.ledger().sent) == 1


@pytest.mark.parametrize("reason", Reason)
def test_when_all_refuse_the_last_reason_is_reported_and_every_channel_was_asked_once(
    two_channels: World, reason: Reason
) -> None:
    two_channels.channels[0].script = [refused(Reason.THROTTLED)]
    two_channels.channels[1].script = [Delivery(Outcome.REFUSED, reason=reason, retry_after=7.0)]
    with pytest.raises(DeliveryRefused) as refusal:
        two_channels.send()
    assert (refusal.value.reason, refusal.value.retry_after) == (reason, 7.0)
    assert [len(c.messages) for c in two_channels.channels] == [1, 1]


def test_a_slow_refusal_by_every_channel_costs_no_slot(two_channels: World) -> None:
    """Five outages must not use up the hour: nothing was sent."""
    for channel in two_channels.channels:
        channel.always = refused()
        channel.during = lambda message: two_channels.clock.forward(3)
    for _ in range(8):
        with pytest.raises(DeliveryRefused):
            two_channels.send()
        two_channels.clock.forward(30)
    assert two_channels.ledger().sent == ()


def test_a_channel_that_was_asked_for_is_the_only_one(two_channels: World) -> None:
    two_channels.channels[1].script = [refused()]
    with pytest.raises(DeliveryRefused):
        two_channels.send(channel="sms")
    assert [len(c.messages) for c in two_channels.channels] == [0, 1]


def test_a_channel_that_refused_this_number_is_not_asked_again_for_10_minutes(two_channels: World) -> None:
    two_channels.channels[0].script = [refused(Reason.BAD_NUMBER)]
    two_channels.send()
    two_channels.clock.forward(60)
    two_channels.send()
    assert [len(c.messages) for c in two_channels.channels] == [1, 2]


def test_where_all_channels_refused_this_number_no_provider_is_called_for_10_minutes(two_channels: World) -> None:
    for channel in two_channels.channels:
        channel.script = [refused(Reason.BAD_NUMBER)]
    for _ in range(5):
        with pytest.raises(DeliveryRefused) as refusal:
            two_channels.send()
        assert refusal.value.reason == Reason.BAD_NUMBER
        two_channels.clock.forward(100)
    assert len(two_channels.messages()) == 2


def test_a_refusal_about_the_number_is_forgotten_after_10_minutes_whatever_came_next(two_channels: World) -> None:
    """Nothing of this number is left but the refusal itself."""
    for channel, reason in zip(two_channels.channels, (Reason.BAD_NUMBER, Reason.UNREACHABLE), strict=True):
        channel.script = [refused(reason)]
        with pytest.raises(DeliveryRefused):
            two_channels.send(channel=channel.name)
        two_channels.clock.forward(30)
    two_channels.clock.forward(600)
    assert two_channels.send(channel="whatsapp").outcome == Outcome.SENT


@pytest.mark.parametrize("end", ["approved", "canceled", "max_attempts_reached"])
def test_no_next_channel_for_a_verification_that_is_over_by_then(two_channels: World, end: str) -> None:
    """The first message's code may be used while a resend is on its way: nobody needs it any more."""
    other = two_channels.service()
    first = two_channels.send(channel="sms")
    code = two_channels.code()
    two_channels.clock.forward(30)

    def finish(message: Message) -> None:
        if end == "canceled":
            other.cancel(first.verification_id)
        for _ in range(5):
            other.check(code if end == "approved" else wrong(code), verification_id=first.verification_id)

    whatsapp, sms = two_channels.channels
    whatsapp.during, whatsapp.script = finish, [refused()]
    with pytest.raises(DeliveryRefused):
        two_channels.send()
    assert two_channels.service().status(first.verification_id).status == end
    assert len(sms.messages) == 1


def test_a_store_that_fails_after_the_message_went_changes_no_answer(world: World) -> None:
    def fail(verb: str, index: int) -> None:
        if world.sms.messages:
            raise StoreUnavailable

    world.store.before = fail
    assert world.send().outcome == Outcome.SENT
    world.store.before = lambda verb, index: None
    assert isinstance(world.events[-1], OutcomeLost)
    assert world.ledger().verifications[0].sends[0].state == "pending"
    assert world.service().check(world.code(), phone_number=PHONE).approved


def test_lost_races_after_the_message_went_change_no_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number is busy, but the message has gone: an error would make the caller send again."""
    swap = world.store.swap

    def lose(key: str, old: bytes | None, new: bytes | None, ttl: float) -> Swap:
        if world.sms.messages:
            return Swap(won=False, found=world.store.get(key))
        return swap(key, old, new, ttl)

    monkeypatch.setattr(world.store, "swap", lose)
    assert world.send().outcome == Outcome.SENT
    assert isinstance(world.events[-1], OutcomeLost)


def test_a_store_that_fails_after_a_refusal_sends_nothing_more(two_channels: World) -> None:
    def fail(verb: str, index: int) -> None:
        if two_channels.messages():
            raise StoreUnavailable

    two_channels.channels[0].script = [refused()]
    two_channels.store.before = fail
    with pytest.raises(StoreUnavailable):
        two_channels.send()
    assert len(two_channels.messages()) == 1


def test_a_ledger_that_is_gone_after_a_refusal_sends_nothing_more(two_channels: World) -> None:
    two_channels.channels[0].script = [refused()]
    two_channels.channels[0].during = lambda message: two_channels.store.values.clear()
    with pytest.raises(DeliveryRefused):
        two_channels.send()
    assert len(two_channels.messages()) == 1


def test_every_step_is_reported(two_channels: World) -> None:
    two_channels.channels[0].script = [refused(Reason.BAD_NUMBER)]
    sending = two_channels.send()
    first, second = two_channels.outcomes()
    assert isinstance(first, Refused)
    assert (first.channel, first.reason, first.provider_code) == ("whatsapp", "bad_number", 1)
    assert isinstance(second, Sent)
    assert (second.channel, second.outcome, second.provider_id) == ("sms", "sent", SENT.provider_id)
    assert {e.verification_id for e in two_channels.events} == {sending.verification_id}


def test_no_event_has_a_code_or_a_whole_number(two_channels: World) -> None:
    two_channels.channels[0].script = [refused()]
    sending = two_channels.send()
    service, code = two_channels.service(), two_channels.code()
    service.check(wrong(code), verification_id=sending.verification_id)
    service.check(code, verification_id=sending.verification_id)
    reported = repr(two_channels.events)
    assert code not in reported
    assert PHONE[-7:] not in reported


def test_a_listener_that_fails_does_not_undo_a_send(world: World) -> None:
    """Every listener gets every event; one that fails changes nothing."""
    def fail(event: object) -> None:
        raise RuntimeError("disk full")

    world.listeners = [fail]
    service = world.service()
    assert service.send(PHONE, SendRequest()).outcome == Outcome.SENT
    assert service.check(world.code(), phone_number=PHONE).status == Status.APPROVED
