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
    assert begun is not None
    assert (begun.answer.status, begun.answer.attempts_left) == (Status.PENDING, 4)
    assert (world.ledger().verifications[0].attempts, world.outcomes()[1:]) == (0, [])
    assert begun.is_stored()
    assert world.ledger().verifications[0].attempts == 1
    assert [type(event) for event in world.outcomes()[1:]] == [Checked]


@pytest.mark.parametrize("servers", [1, 2])
def test_of_right_codes_that_are_begun_together_one_is_stored(world: World, servers: int) -> None:
    """Each looks accepted until then. The others are to be checked, one by one."""
    services = [world.service() for _ in range(servers)]
    begun = [services[n % servers].begin_check(world.code(), phone_number=PHONE) for n in range(6)]
    assert [each.answer.approved for each in begun if each] == [True] * 6
    assert [each.is_stored() for each in begun if each] == [True] + [False] * 5
    assert len(world.outcomes()[1:]) == 1
    assert not services[0].check(world.code(), phone_number=PHONE).approved


def test_of_wrong_codes_that_are_begun_together_one_is_stored(world: World) -> None:
    """And none is compared that is not counted."""
    service = world.service()
    for round_ in range(5):
        begun = [service.begin_check(code, phone_number=PHONE) for code in islice(wrongs(world.code()), 3)]
        assert [each.is_stored() for each in begun if each] == [True, False, False]
        assert world.ledger().verifications[0].attempts == round_ + 1
    assert world.ledger().verifications[0].status == Status.MAX_ATTEMPTS_REACHED
    assert service.begin_check(world.code(), phone_number=PHONE) is None


def test_one_that_was_in_vain_has_the_next_ones_read_the_store(world: World) -> None:
    """Another process changes the same records, so what this one remembers of them is out of date."""
    first, second = world.service(), world.service()
    for service in (first, second):
        service.check(wrong(world.code()), phone_number=PHONE)
    results = []
    for _ in range(2):
        begun = first.begin_check(wrong(world.code()), phone_number=PHONE)
        results.append(begun and begun.is_stored())
        second.check(wrong(world.code()), phone_number=PHONE)
    assert results == [False, True]


def test_a_store_that_fails_has_no_answer(world: World) -> None:
    begun = world.service().begin_check(world.code(), phone_number=PHONE)
    assert begun is not None

    def fail(verb: str, _: int) -> None:
        raise StoreUnavailable(verb)

    world.store.before = fail
    with pytest.raises(StoreUnavailable):
        begun.is_stored()
    assert world.outcomes()[1:] == []
    with pytest.raises(StoreUnavailable):
        world.service().begin_check(world.code(), phone_number=PHONE)


@pytest.mark.parametrize(("code", "given"), [
    ("", {"phone_number": PHONE}),
    ("123456", {"phone_number": "+14155550100"}),
    ("123456", {"verification_id": "VE"}),
    ("123456", {"phone_number": PHONE, "purpose": "pay"}),
])  # fmt: skip
def test_where_nothing_is_to_be_stored_none_begins(world: World, code: str, given: dict[str, Any]) -> None:
    assert world.service().begin_check(code, **given) is None


def test_what_is_no_number_is_refused(world: World) -> None:
    with pytest.raises(InvalidPhone):
        world.service().begin_check("123456", phone_number="12")


def plain(_: World) -> None:
    pass


def made_elsewhere(world: World) -> None:
    world.channels = (FakeChecker(world.clock),)


@pytest.mark.parametrize(("change", "stores", "begins"), [
    (plain, BeginningStore, True),
    (plain, World.stores, False),
    (made_elsewhere, BeginningStore, False),
])  # fmt: skip
def test_they_are_begun_where_nothing_but_the_store_is_waited_for(
    change: Callable[[World], None], stores: Any, begins: bool
) -> None:
    """Others would wait behind a provider."""
    world = World(stores=stores)
    change(world)
    assert world.service().begins_checks == begins
