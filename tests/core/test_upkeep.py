"""No clock gives back what was counted, and none shuts a number out for long."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from otp_app.core.errors import CoolingDown, TooManySends, TooSoon
from otp_app.core.instant import Instant
from otp_app.core.ledger import MAX_TOMBSTONES, Ledger, Origin, Report, Send, Status, Verification
from otp_app.core.ledger_json import encode
from otp_app.core.policy import DAY, HOUR, Policy
from otp_app.core.upkeep import corrected, pruned
from tests.core.fakes import PHONE, World

NOW = Instant(1_800_000_000.0, "boot-1", 100_000.0)
TODAY = int(NOW.wall // DAY)


def _world() -> World:
    return World(policy=Policy(gaps=(), cool_downs=(60.0,)))


def _use_up_the_hour(world: World) -> None:
    for _ in range(5):
        world.send()
        world.clock.forward(1)


@pytest.mark.parametrize("reboots", [False, True], ids=["in one boot", "after a reboot"])
def test_a_clock_that_goes_back_and_forward_gives_no_message_back(reboots: bool) -> None:
    """Every look in between is refused too, and writes nothing that would."""
    world = _world()
    _use_up_the_hour(world)
    for step in (-2 * HOUR, 2 * HOUR):
        if reboots:
            world.clock.reboot(down=0.0)
        world.clock.set(step)
        with pytest.raises(TooManySends):
            world.send()
    world.clock.forward(HOUR)
    world.send()


@pytest.mark.parametrize("step", [-30 * DAY, -2 * HOUR, 2 * HOUR], ids=["a month back", "back", "forward"])
def test_within_a_boot_a_message_counts_for_its_real_hour(step: float) -> None:
    """However the clock was set: not shorter, and not longer."""
    world = _world()
    _use_up_the_hour(world)
    world.clock.set(step)
    world.clock.forward(HOUR - 10)
    with pytest.raises(TooManySends):
        world.send()
    world.clock.forward(10)
    world.send()


def test_within_a_boot_a_cool_down_and_a_gap_last_their_real_time() -> None:
    """A clock set forward ends neither."""
    world = World(policy=Policy(gaps=(30.0,), cool_downs=(60.0,)))
    world.send()
    world.clock.set(HOUR)
    with pytest.raises(TooSoon):
        world.send()
    for _ in range(5):
        world.service().check("000000" if world.code() != "000000" else "111111", phone_number=PHONE)
    world.clock.forward(31)
    world.clock.set(HOUR)
    with pytest.raises(CoolingDown):
        world.send()


def test_all_stamps_of_a_ledger_move_together() -> None:
    """So the send that gives its slot back is still found, and a verification that was ended for another one too."""
    verification = Verification("VE1", "login", "k1", 6, NOW, 300.0, Status.CANCELED, ended_at=NOW.wall,
                                sends=(Send("VL1", "sms", NOW.wall),))  # fmt: skip
    ledger = Ledger(
        PHONE, (verification,), sent=(NOW.wall,), last_send=NOW.wall, exhausted_at=NOW.wall, risk=((TODAY, 1),),
        given_back=(TODAY,), refusals=(("sms", NOW.wall, "bad_number"),), awaited=(NOW.wall,), seen=NOW,
    )  # fmt: skip
    ahead = 3 * DAY + 0.5
    left = corrected(ledger, Instant(NOW.wall + ahead, NOW.boot, NOW.uptime))
    (moved,), at = left.verifications, NOW.wall + ahead
    assert {moved.begun.wall, moved.ended_at, moved.sends[0].at, *left.sent, left.last_send, left.exhausted_at} == {at}
    assert left.awaited == (at,)
    assert (left.risk, left.given_back) == (((TODAY + 3, 1),), (TODAY + 3,))
    assert left.refusals == (("sms", at, "bad_number"),)
    assert moved.begun.uptime == NOW.uptime


def test_a_code_that_had_expired_stays_so_after_a_reboot_with_a_clock_that_is_behind() -> None:
    """It was seen to be too old: a clock that shows the time of its beginning again does not make it young."""
    world = _world()
    first = world.send()
    code = world.code()
    world.clock.forward(HOUR / 2)
    world.send(purpose="payment")
    world.clock.reboot(down=0.0)
    world.clock.set(-HOUR / 2)
    assert world.service().status(first.verification_id).status == Status.EXPIRED
    assert not world.service().check(code, verification_id=first.verification_id).approved


def test_a_clock_set_forward_makes_no_code_of_an_earlier_boot_younger() -> None:
    """The clock was right before the reboot, behind after it, and is right again."""
    begun = NOW._replace(boot="boot-0")
    verification = Verification("VE1", "login", "k1", 6, begun, 300.0)
    behind = Instant(NOW.wall - DAY, NOW.boot, 10.0)
    right = Instant(NOW.wall + 200, NOW.boot, 10.0)
    (moved,) = corrected(Ledger(PHONE, (verification,), seen=behind), right).verifications
    assert moved.left(right) == 100
    assert not moved.is_pending(right._replace(wall=right.wall + DAY, uptime=right.uptime + DAY))


def test_a_clock_set_back_makes_no_code_of_an_earlier_boot_younger() -> None:
    """Its beginning, noted by a clock as wrong, would lie ahead, and its life begin when that time comes."""
    verification = Verification("VE1", "login", "k1", 6, NOW._replace(boot="boot-0"), 300.0)
    right = Instant(NOW.wall - HOUR, NOW.boot, NOW.uptime)
    (moved,) = corrected(Ledger(PHONE, (verification,), seen=NOW), right).verifications
    assert moved.begun.wall == right.wall


@pytest.mark.parametrize("seen", [None, NOW._replace(boot="boot-0"), NOW._replace(boot="")], ids=str)
def test_without_a_change_in_this_boot_stamps_stay(seen: Instant | None) -> None:
    """A day ahead at most: more was written by a clock that was wrong, and becomes now."""
    def at(wall: float) -> dict[str, Any]:
        refusals = (("sms", wall, "bad_number"),)
        stamps = {"sent": (wall,), "awaited": (wall,), "last_send": wall, "exhausted_at": wall}
        return stamps | {"refusals": refusals, "seen": seen}

    near = Ledger(PHONE, **at(NOW.wall + DAY))
    assert corrected(near, NOW) is near
    assert corrected(Ledger(PHONE, **at(NOW.wall + DAY + 1)), NOW) == Ledger(PHONE, **at(NOW.wall))


def test_a_change_by_two_seconds_is_none() -> None:
    """As clocks of two servers, or of one that is being corrected, may differ."""
    ledger = Ledger(PHONE, sent=(NOW.wall,), seen=NOW)
    assert corrected(ledger, NOW._replace(wall=NOW.wall + 2)) is ledger


def test_a_ledger_says_when_it_was_changed() -> None:
    """By the clock of the change; a ledger of an older version does not."""
    assert json.loads(encode(Ledger(PHONE, seen=NOW)))["seen"] == list(NOW)
    assert "seen" not in json.loads(encode(Ledger(PHONE)))


def _ended(number: int, ago: float, origin: Origin | None) -> Verification:
    """Return a verification that was approved so long ago."""
    begun = Instant(NOW.wall - ago - 10.0, NOW.boot, NOW.uptime - ago - 10.0)
    return Verification(
        f"VE{number:032x}", "login", "k1", 6, begun, 10.0, status=Status.APPROVED, ended_at=NOW.wall - ago,
        origin=origin,
    )  # fmt: skip


@pytest.mark.parametrize(("origin", "ago", "kept"), [
    (Origin("native"), 59.0, 30), (Origin("native"), 61.0, MAX_TOMBSTONES), (None, 59.0, MAX_TOMBSTONES),
])  # fmt: skip
def test_what_ended_within_the_last_minute_is_kept_for_the_history(
    origin: Origin | None, ago: float, kept: int
) -> None:
    """However many there are: who writes the history may have been killed before it did so."""
    ledger = Ledger(PHONE, tuple(_ended(number, ago, origin) for number in range(30)))
    assert len(pruned(ledger, NOW, Policy()).verifications) == kept


def test_a_receipt_of_the_last_minute_keeps_a_verification_that_ended_before() -> None:
    """It changes the row."""
    sends = (Send("VL1", "sms", NOW.wall - 400.0, "sent", receipts=(Report("delivered", NOW.wall - 30.0),)),)
    told = replace(_ended(0, 300.0, Origin("native")), sends=sends)
    others = (_ended(number, 200.0, Origin("native")) for number in range(1, 20))
    assert told in pruned(Ledger(PHONE, (told, *others)), NOW, Policy()).verifications
