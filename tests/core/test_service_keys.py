"""Keys that change, and test numbers, whose codes need no key."""

from __future__ import annotations

import pytest

from otp_app.core.codes import CodeKeys, FixedCode
from otp_app.core.delivery import Outcome
from otp_app.core.errors import InvalidPhone, UnknownKey
from otp_app.core.policy import DAY
from otp_app.core.results import SendRequest, SendResult
from tests.core.fakes import K1, K2, PHONE, World, wrong


def test_after_a_rotation_old_codes_still_check_and_new_ones_use_the_new_key(world: World) -> None:
    world.send()
    old = world.code()
    world.keys = CodeKeys("k2", {"k2": K2, "k1": K1})
    world.send("+14155552672")
    assert world.ledger("+14155552672").verifications[0].key == "k2"
    assert world.service().check(old, phone_number=PHONE).approved
    assert world.service().check(world.code(), phone_number="+14155552672").approved


def test_a_resend_after_a_rotation_sends_the_code_of_the_old_key(world: World) -> None:
    world.send()
    old = world.code()
    world.keys = CodeKeys("k2", {"k2": K2, "k1": K1})
    world.clock.forward(30)
    world.send()
    assert world.code() == old


def test_only_the_key_that_made_a_code_checks_it(world: World) -> None:
    """With each key tried in turn an attempt would count as often as there are keys."""
    world.send()
    verification = world.ledger().verifications[0]
    world.keys = CodeKeys("k2", {"k2": K2, "k1": K1})
    other = world.keys.derive(
        "k2", verification_id=verification.id, phone=PHONE, purpose="login", generation=0, length=6
    )
    assert other != world.code()
    assert not world.service().check(other, phone_number=PHONE).approved


def test_a_lost_key_spends_no_try(world: World) -> None:
    world.send()
    world.keys = CodeKeys("k2", {"k2": K2})
    for attempt in (world.code(), wrong(world.code())):
        with pytest.raises(UnknownKey):
            world.service().check(attempt, phone_number=PHONE)
    assert world.ledger().verifications[0].attempts == 0


def test_a_send_that_needs_a_lost_key_changes_nothing(world: World) -> None:
    """It can send no code, so it must not use up the number's messages, nor be noted as perhaps sent."""
    world.send()
    before = world.store.values.copy()
    world.keys = CodeKeys("k2", {"k2": K2})
    world.clock.forward(30)
    begun: list[SendResult] = []
    with pytest.raises(UnknownKey):
        world.service().send(PHONE, SendRequest(), begun.append)
    assert begun == []
    assert world.store.values == before


# ---- test numbers


TEST_NUMBER = "+11111111111"


@pytest.fixture
def with_test_number(world: World) -> World:
    """A server with a test number, good for a day, which no real number could be."""
    world.test_numbers = {TEST_NUMBER: FixedCode("123456", world.clock.wall + DAY)}
    return world


def test_a_test_number_has_its_code_no_message_and_no_limits(with_test_number: World) -> None:
    for _ in range(20):
        sending = with_test_number.send(TEST_NUMBER)
        assert sending.outcome == Outcome.SENT
    assert with_test_number.messages() == []
    assert with_test_number.service().check("123456", phone_number=TEST_NUMBER).approved


def test_a_test_number_still_has_five_tries_and_one_use(with_test_number: World) -> None:
    with_test_number.send(TEST_NUMBER)
    service = with_test_number.service()
    assert service.check("123456", phone_number=TEST_NUMBER).approved
    assert not service.check("123456", phone_number=TEST_NUMBER).approved
    with_test_number.send(TEST_NUMBER)
    for _ in range(5):
        service.check("000000", phone_number=TEST_NUMBER)
    assert not service.check("123456", phone_number=TEST_NUMBER).approved


def test_a_test_code_is_no_good_for_another_number_nor_without_a_send(with_test_number: World) -> None:
    with_test_number.send()
    service = with_test_number.service()
    assert not service.check("123456", phone_number=PHONE).approved
    assert not service.check("123456", phone_number=TEST_NUMBER).approved


def test_after_its_last_day_a_test_code_is_no_good(with_test_number: World) -> None:
    with_test_number.clock.forward(DAY - 10)
    with_test_number.send(TEST_NUMBER)
    with_test_number.clock.forward(10)
    assert not with_test_number.service().check("123456", phone_number=TEST_NUMBER).approved


def test_after_its_last_day_a_test_number_is_a_number_like_any_other(with_test_number: World) -> None:
    """It was let in unlooked at because nothing is sent to it; when something would be, it is looked at."""
    with_test_number.clock.forward(DAY)
    with pytest.raises(InvalidPhone):
        with_test_number.send(TEST_NUMBER)
    assert with_test_number.messages() == []


def test_a_test_number_is_known_in_every_spelling(with_test_number: World) -> None:
    with_test_number.send("+1 111 111-1111")
    assert with_test_number.messages() == []
