"""STOP is remembered of a number until START, whatever else becomes of its record."""

from __future__ import annotations

from msgspec.structs import replace

from otp_app.core.ledger import Ledger, Status, Verification
from otp_app.core.ledger_json import MAX_BYTES, decode, encode
from otp_app.core.opt_outs import OptOuts
from otp_app.core.policy import DAY, Policy
from otp_app.core.upkeep import MOST_NOTIFIED, MOST_SENT, corrected, lifetime, pruned
from tests.core.fakes import PHONE, World

YEAR = 365 * DAY


def _opt_outs(world: World) -> OptOuts:
    return world.service().opt_outs


def test_a_number_is_stopped_until_it_starts_again(world: World) -> None:
    """Each change is news once."""
    assert not _opt_outs(world).is_stopped(PHONE)
    assert _opt_outs(world).stop(PHONE)
    assert not _opt_outs(world).stop(PHONE)
    assert _opt_outs(world).is_stopped(PHONE)
    assert not _opt_outs(world).is_stopped("+14155552672")
    assert _opt_outs(world).start(PHONE)
    assert not _opt_outs(world).start(PHONE)
    assert not _opt_outs(world).is_stopped(PHONE)


def test_each_is_one_swap_and_none_where_nothing_changes(world: World) -> None:
    opt_outs = _opt_outs(world)
    for change in (opt_outs.stop, opt_outs.stop, opt_outs.start, opt_outs.start):
        change(PHONE)
    assert world.store.calls.count("swap") == 2


def test_a_stop_is_kept_for_years_and_through_every_send(world: World) -> None:
    """Codes are sent all the same: who asks for one wants it."""
    _opt_outs(world).stop(PHONE)
    world.clock.forward(4 * YEAR)
    assert _opt_outs(world).is_stopped(PHONE)
    world.send()
    assert len(world.messages()) == 1
    world.clock.forward(4 * YEAR)
    assert _opt_outs(world).is_stopped(PHONE)


def test_a_start_keeps_everything_else(world: World) -> None:
    world.send()
    before = world.ledger()
    _opt_outs(world).stop(PHONE)
    _opt_outs(world).start(PHONE)
    assert replace(world.ledger(), seen=before.seen) == before


def test_a_clock_that_is_set_moves_a_stop_and_the_notifications_too(world: World) -> None:
    now = world.clock()
    ledger = Ledger(PHONE, notified=(now.wall - 60,), stopped=now.wall - 5, seen=now)
    later = now._replace(wall=now.wall + 3600)
    moved = corrected(ledger, later)
    assert (moved.notified, moved.stopped) == ((later.wall - 60,), later.wall - 5)
    wrong = Ledger(PHONE, notified=(now.wall + 3 * DAY,), stopped=now.wall + 3 * DAY)
    assert corrected(wrong, now) == Ledger(PHONE, notified=(now.wall,), stopped=now.wall)


def test_notifications_of_a_day_are_counted_for_a_day(world: World) -> None:
    now, policy = world.clock(), Policy()
    stamps = (now.wall - DAY, *(now.wall - n for n in range(MOST_NOTIFIED, 0, -1)))
    kept = pruned(Ledger(PHONE, notified=stamps), now, policy)
    assert kept.notified == stamps[1:]
    assert lifetime(kept, now, policy) >= DAY


def test_a_full_record_drops_neither_the_stop_nor_what_a_limit_counts(world: World) -> None:
    now = world.clock()
    old = tuple(
        Verification(f"VE{n:032x}", "login", "k1", 6, now, 300.0, Status.CANCELED, ended_at=now.wall,
                     tags={"a": "x" * 900})
        for n in range(10)
    )
    stamps = tuple(now.wall + n / 1000 for n in range(MOST_SENT))
    full = Ledger(PHONE, old, sent=stamps, notified=stamps[:MOST_NOTIFIED], stopped=now.wall)
    again = decode(encode(full))
    assert len(encode(full)) <= MAX_BYTES
    assert (again.sent, again.notified, again.stopped) == (full.sent, full.notified, full.stopped)
