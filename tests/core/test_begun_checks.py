"""Checks that are begun, so that the store waits for its disk once for several: the same rules as for any other."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest

from otp_app.core.errors import InvalidPhone, StoreUnavailable
from otp_app.core.events import Checked
from otp_app.core.ledger import Status
from tests.core.fakes import PHONE, BeginningStore, World, wrong, wrongs
from tests.core.upstream import FakeChecker


@pytest.fixture
def world() -> World:
    made = World(stores=BeginningStore)
    made.send()
    return made


def test_its_answer_is_known_before_it_is_stored_and_told_of_afterwards(world: World) -> None:
    begun = world.service().begin_check(wrong(world.code()), phone_number=PHONE)
    assert begun.answer is not None
    assert (begun.answer.status, begun.answer.attempts_left) == (Status.PENDING, 4)
    assert (world.ledger().verifications[0].attempts, world.outcomes()[1:]) == (0, [])
    assert begun.end() is begun.answer
    assert world.ledger().verifications[0].attempts == 1
    assert [type(event) for event in world.outcomes()[1:]] == [Checked]


@pytest.mark.parametrize("servers", [1, 2])
def test_of_right_codes_that_are_begun_together_one_is_accepted(world: World, servers: int) -> None:
    """Each looks accepted until it is stored."""
    services = [world.service() for _ in range(servers)]
    begun = [services[n % servers].begin_check(world.code(), phone_number=PHONE) for n in range(6)]
    assert [each.answer.approved for each in begun if each.answer] == [True] * 6
    assert sorted(each.end().approved for each in begun) == [False] * 5 + [True]


def test_of_wrong_codes_that_are_begun_together_five_are_compared(world: World) -> None:
    service = world.service()
    begun = [service.begin_check(code, phone_number=PHONE) for code in islice(wrongs(world.code()), 12)]
    assert [each.end().counted for each in begun].count(True) == 5
    assert world.ledger().verifications[0].status == Status.MAX_ATTEMPTS_REACHED
    assert not service.begin_check(world.code(), phone_number=PHONE).end().approved


def test_a_store_that_fails_has_no_answer(world: World) -> None:
    begun = world.service().begin_check(world.code(), phone_number=PHONE)

    def fail(verb: str, _: int) -> None:
        raise StoreUnavailable(verb)

    world.store.before = fail
    with pytest.raises(StoreUnavailable):
        begun.end()
    assert world.outcomes()[1:] == []
    with pytest.raises(StoreUnavailable):
        world.service().begin_check(world.code(), phone_number=PHONE)


@pytest.mark.parametrize(("code", "given"), [
    ("", {"phone_number": PHONE}),
    ("123456", {"phone_number": "+14155550100"}),
    ("123456", {"verification_id": "VE"}),
    ("123456", {"phone_number": PHONE, "purpose": "pay"}),
])  # fmt: skip
def test_what_finds_nothing_is_answered_as_by_a_check(world: World, code: str, given: dict[str, Any]) -> None:
    begun = world.service().begin_check(code, **given)
    assert (begun.answer, begun.end()) == (None, world.service().check(code, **given))


def test_what_is_no_number_is_refused(world: World) -> None:
    with pytest.raises(InvalidPhone):
        world.service().begin_check("123456", phone_number="12")


def plain(_: World) -> None:
    pass


def told(world: World) -> None:
    world.on_approved.append(lambda _: None)


def made_elsewhere(world: World) -> None:
    world.channels = (FakeChecker(world.clock),)


@pytest.mark.parametrize(("change", "stores", "begins"), [
    (plain, BeginningStore, True),
    (plain, World.stores, False),
    (told, BeginningStore, False),
    (made_elsewhere, BeginningStore, False),
])  # fmt: skip
def test_they_are_begun_where_nothing_but_the_store_is_waited_for(
    change: Callable[[World], None], stores: Any, begins: bool
) -> None:
    """Others would wait behind an operator's function, or a provider."""
    world = World(stores=stores)
    change(world)
    assert world.service().begins_checks == begins
