"""What an operator does to a number."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from otp_app.core.codes import FixedCode
from otp_app.core.errors import CountryNotAllowed, TooSoon
from otp_app.core.ledger import Ledger, Status
from otp_app.core.ledger_json import decode, encode
from otp_app.core.ledgers import Ledgers
from otp_app.core.numbers import Numbers
from otp_app.core.policy import DAY, Policy
from otp_app.core.results import SendRequest
from otp_app.core.upkeep import pruned
from tests.core.fakes import PHONE, World

OTHER = "+14155552672"


def _numbers(world: World) -> Numbers:
    """As another process has it: beside the server, which remembers the ledgers that it has seen."""
    return Numbers(Ledgers(world.store, world.clock, Policy()), world.ids, Policy())


def test_a_blocked_number_gets_nothing_until_it_is_unblocked(world: World) -> None:
    """Each change is news once, and other numbers notice nothing."""
    numbers = _numbers(world)
    assert numbers.block(PHONE)
    assert not numbers.block(PHONE)
    for _ in range(2):
        with pytest.raises(CountryNotAllowed):
            world.send()
    world.send(OTHER)
    assert len(world.messages()) == 1
    assert numbers.unblock(PHONE)
    assert not numbers.unblock(PHONE)
    world.send()
    assert len(world.messages()) == 2


def test_a_server_that_has_seen_the_number_obeys_at_once(world: World) -> None:
    """Its memory of the record is proved by a swap, or by a read."""
    service, numbers = world.service(), _numbers(world)
    sent = service.send(PHONE, SendRequest())
    numbers.block(PHONE)
    with pytest.raises(CountryNotAllowed):
        service.send(PHONE, SendRequest())
    assert service.status(sent.verification_id).status == Status.CANCELED


def test_what_is_pending_ends_with_a_block(world: World) -> None:
    """A code that is on its way is no good any more."""
    world.send()
    code = world.messages()[-1].code
    _numbers(world).block(PHONE)
    assert not world.service().check(code, phone_number=PHONE).approved


def test_a_used_code_that_may_be_used_again_ends_with_a_block(world: World) -> None:
    """As what is pending does."""
    world.send()
    code, again = world.messages()[-1].code, world.service().with_profile(Policy(once_only=False), world.texts)
    assert [again.check(code, phone_number=PHONE).approved for _ in range(2)] == [True, True]
    _numbers(world).block(PHONE)
    assert not again.check(code, phone_number=PHONE).approved


def test_a_block_holds_for_a_test_number(world: World) -> None:
    """It has no other limits of sends."""
    world.test_numbers = {PHONE: FixedCode("123456", world.clock.wall + DAY)}
    world.send()
    _numbers(world).block(PHONE)
    assert not world.service().check("123456", phone_number=PHONE).approved
    with pytest.raises(CountryNotAllowed):
        world.send()


def test_a_block_outlives_everything_else(world: World) -> None:
    numbers = _numbers(world)
    numbers.block(PHONE)
    world.clock.forward(9 * 365 * DAY)
    with pytest.raises(CountryNotAllowed):
        world.send()
    assert decode(encode(Ledger(PHONE, blocked=True))) == Ledger(PHONE, blocked=True)
    assert pruned(Ledger(PHONE, blocked=True), world.clock(), Policy()).blocked


def test_a_blocked_number_counts_as_one_that_stopped(world: World) -> None:
    """Notifications that wait are not sent."""
    _numbers(world).block(PHONE)
    assert world.service().opt_outs.is_stopped(PHONE)


def test_a_reset_gives_the_messages_back(world: World) -> None:
    """At once, and not the attempts."""
    numbers = _numbers(world)
    world.send()
    with pytest.raises(TooSoon):
        world.send()
    world.service().check("0", phone_number=PHONE)
    before = world.ledger()
    assert numbers.reset(PHONE)
    assert not numbers.reset(PHONE)
    after = world.ledger()
    assert replace(after, seen=before.seen) == replace(
        before, sent=(), last_send=0.0, streak=0, exhaustions=0, exhausted_at=0.0
    )
    world.send()
    assert len(world.messages()) == 2


def test_a_number_that_is_not_known_stays_so(world: World) -> None:
    assert not _numbers(world).reset(PHONE)
    assert not _numbers(world).unblock(PHONE)
