"""Many servers at once, stores that fail, strangers who try to shut an owner out."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

import pytest

from otp_app.core.delivery import Outcome, Reason
from otp_app.core.errors import Busy, DeliveryRefused, LimitReached, OtpError, StoreUnavailable, TooManySends, TooSoon
from otp_app.core.policy import DAY, HOUR, Policy
from otp_app.core.results import SendRequest
from otp_app.core.store import Swap
from tests.core.fakes import PHONE, FakeChannel, FakeClock, World, refused, wrong, wrongs


def test_of_parallel_right_codes_one_is_accepted(world: World) -> None:
    world.send()
    services, code = [world.service() for _ in range(4)], world.code()
    approved = _in_parallel(24, lambda n: services[n % 4].check(code, phone_number=PHONE).approved)
    assert sum(approved) == 1


def test_of_parallel_wrong_codes_five_are_looked_at(world: World) -> None:
    world.send()
    services, code = [world.service() for _ in range(4)], wrong(world.code())
    counted = _in_parallel(24, lambda n: services[n % 4].check(code, phone_number=PHONE).counted)
    assert sum(counted) == 5


def test_of_parallel_sends_one_makes_a_message(world: World) -> None:
    services = [world.service() for _ in range(4)]
    _in_parallel(24, lambda n: services[n % 4].send(PHONE, SendRequest()))
    assert len(world.messages()) == 1


def _in_parallel(count: int, call: Any) -> list[Any]:
    answers: list[Any] = []
    gate = threading.Barrier(count)

    def run(number: int) -> None:
        gate.wait()
        try:
            answers.append(call(number))
        except OtpError:
            answers.append(False)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == count
    return answers


def test_a_lost_swap_starts_again_from_what_is_there(world: World) -> None:
    """Another server's attempt gets in between: both count."""
    world.send()
    code, other = world.code(), world.service()

    def interfere(verb: str, index: int) -> None:
        if verb == "swap":
            world.store.before = lambda verb, index: None
            other.check(wrong(code), phone_number=PHONE)

    world.store.before = interfere
    assert world.service().check(wrong(code), phone_number=PHONE).attempts_left == 3


def test_another_server_that_was_faster_uses_the_code_up(world: World) -> None:
    world.send()
    code, other, answers = world.code(), world.service(), []

    def interfere(verb: str, index: int) -> None:
        if verb == "swap":
            world.store.before = lambda verb, index: None
            answers.append(other.check(code, phone_number=PHONE).approved)

    world.store.before = interfere
    answers.append(world.service().check(code, phone_number=PHONE).approved)
    assert answers == [True, False]


def test_after_16_lost_races_a_number_is_busy(world: World) -> None:
    world.send()
    swaps: list[str] = []

    def lose(key: str, old: bytes | None, new: bytes | None, ttl: float) -> Swap:
        swaps.append(key)
        return Swap(won=False, found=world.store.get(key))

    world.store.swap = lose  # type: ignore[method-assign]
    with pytest.raises(Busy) as busy:
        world.service().check(wrong(world.code()), phone_number=PHONE)
    assert (len(swaps), busy.value.retry_after) == (16, 1.0)


@pytest.mark.parametrize("bytes_", [b"", b"{}", b"\xff", b"[1]", b"null"])
def test_a_record_that_cannot_be_read_is_a_store_fault_and_stays(world: World, bytes_: bytes) -> None:
    key = world.ids.ledger(PHONE)
    world.store.values[key] = (bytes_, world.clock.wall + DAY)
    for call in (world.send, lambda: world.service().check("123456", phone_number=PHONE)):
        with pytest.raises(StoreUnavailable):
            call()
    assert world.store.values[key][0] == bytes_
    assert world.messages() == []


# ---- strangers and owners


def test_a_stranger_who_burns_tries_cannot_shut_out_a_caller_with_a_key(world: World) -> None:
    """Day after day the owner gets a code through the app within the hour, and it works."""
    for _ in range(5):
        for _ in range(3):
            with suppress(OtpError):
                world.send()
            for attempt, _ in zip(wrongs(world.code()), range(5), strict=False):
                world.service().check(attempt, phone_number=PHONE)
            world.clock.forward(60)
        world.clock.forward(HOUR)
        world.send(authenticated=True, purpose="app")
        assert world.service().check(world.code(), phone_number=PHONE, purpose="app").approved
        world.clock.forward(DAY - HOUR)


def test_strangers_cannot_use_up_the_reserve_of_the_day(world: World) -> None:
    for _ in range(200):
        with suppress(OtpError):
            world.send()
        world.clock.forward(300)
    assert len(world.messages()) == 10
    world.clock.forward(HOUR)
    assert world.send(authenticated=True).outcome == Outcome.SENT


def test_a_refusing_provider_is_asked_by_each_send_at_most_once(clock: FakeClock) -> None:
    world = World(clock=clock, channels=(FakeChannel("whatsapp"), FakeChannel("sms")))
    for channel in world.channels:
        channel.always = refused()
    with pytest.raises(OtpError):
        world.send()
    assert [len(c.messages) for c in world.channels] == [1, 1]


# ---- a clock that was ahead


@pytest.mark.parametrize("back", [60.0, DAY, 400 * DAY])
def test_a_number_is_not_shut_out_by_a_clock_that_was_ahead(world: World, back: float) -> None:
    """Stamps from the future become now, and stay what they became: the gap that starts there ends."""
    world.send()
    world.clock.set(-back)
    with pytest.raises(TooSoon):
        world.send()
    world.clock.forward(30)
    world.send()


def test_a_cool_down_ends_though_the_clock_was_set_back(world: World) -> None:
    world.send()
    for attempt, _ in zip(wrongs(world.code()), range(5), strict=False):
        world.service().check(attempt, phone_number=PHONE)
    world.clock.set(-DAY)
    with pytest.raises(LimitReached):
        world.send()
    world.clock.forward(30)
    world.send()


def test_a_refusal_is_believed_for_10_minutes_though_the_clock_was_set_back(world: World) -> None:
    world.sms.script = [refused(Reason.BAD_NUMBER)]
    with pytest.raises(DeliveryRefused):
        world.send()
    world.clock.set(-DAY)
    with pytest.raises(OtpError):
        world.send()
    world.clock.forward(600)
    assert world.send().outcome == Outcome.SENT


def test_the_caps_free_their_slots_though_the_clock_was_set_back(world: World) -> None:
    world.policy = Policy(gaps=())
    for _ in range(5):
        world.send()
    world.clock.set(-DAY)
    with pytest.raises(TooManySends):
        world.send()
    world.clock.forward(HOUR)
    world.send()


def test_stamps_are_mended_by_whoever_comes_first_and_a_race_loses_nothing(world: World) -> None:
    world.send()
    code, other = world.code(), world.service()
    world.clock.set(-DAY)

    def interfere(verb: str, index: int) -> None:
        if verb == "swap":
            world.store.before = lambda verb, index: None
            other.check(wrong(code), phone_number=PHONE)

    world.store.before = interfere
    assert world.service().check(wrong(code), phone_number=PHONE).attempts_left == 3
