"""What every store must do that can be moved to another place."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress

import pytest

from otp_app.core.errors import StoreUnavailable
from otp_app.core.moving import Freeze, Item, Movable
from tests.running import ROOT
from tests.stores.faults import refused

pytestmark = pytest.mark.parametrize("shared_place", ["sqlite", "redis", "postgres"], indirect=True)
HOUR = 3600.0


def content(store: Movable) -> dict[str, bytes | int]:
    """Everything that a scan finds; counters under their key and a `#`."""
    return {item.key + "#" * isinstance(item.value, int): item.value for item in store.scan()}


def changes(store) -> list[Callable[[], object]]:
    """An insert, a replacement and a deletion, which all would be won on a store that has `old` under `k`."""
    return [
        lambda: store.swap("new", None, b"a", HOUR),
        lambda: store.swap("k", b"old", b"b", HOUR),
        lambda: store.swap("k", b"old", None, HOUR),
    ]


@pytest.fixture
def place(shared_place):
    """A store with one entry and one counter."""
    shared_place.store.swap("k", None, b"old", HOUR)
    shared_place.store.add("k", 3, HOUR)
    return shared_place


@pytest.fixture(params=Freeze)
def frozen_place(request, place):
    """The same, frozen in each way."""
    place.store.freeze(request.param)
    place.how = request.param
    return place


# ---- scan, load, clear, size


def test_it_says_that_it_can_be_moved(place) -> None:
    assert isinstance(place.store, Movable)


def test_a_scan_yields_what_lives_and_nothing_else(place) -> None:
    """Entries and counters with the life that they have left; what is over, deleted or only read is not there."""
    place.store.swap("gone", None, b"a", HOUR)
    place.store.swap("gone", b"a", None, HOUR)
    place.store.swap("short", None, b"a", 50)
    place.store.add("short", 1, 50)
    place.store.add("unknown", 0, HOUR)
    place.advance(100)
    found = {type(item.value): item for item in place.store.scan()}
    assert content(place.store) == {"k": b"old", "k#": 3}
    assert [found[kind].ttl for kind in (bytes, int)] == pytest.approx([HOUR - 100] * 2, abs=5)


def test_a_scan_of_many_yields_each(place) -> None:
    """More than one look has room for, and exactly as many as some looks have."""
    place.fill(1999, HOUR)
    place.store.add("fill1", 7, HOUR)
    assert content(place.store) == {"k": b"old", "k#": 3, "fill1#": 7} | {f"fill{n}": b"x" for n in range(1999)}


def test_entries_are_found_by_how_their_keys_begin(place) -> None:
    """Those alone, from more than one look; not the counters, nor what is over."""
    place.store.load([Item(key, b"other", HOUR) for key in ("a", "filk", "film", "FILL")])
    place.store.load([Item("fillet", b"over", 50.0), Item("fill1", 7, HOUR)])
    place.advance(100)
    place.fill(1999, HOUR)
    assert {item[:2] for item in place.store.entries("fill")} == {(f"fill{n}", b"x") for n in range(1999)}
    assert list(place.store.entries("x")) == []


def test_any_bytes_and_any_key_come_through(place) -> None:
    """What was scanned and loaded is the same: bytes that are no text, a value that looks like a number, big sums."""
    odd = {"n:%_*[a]\\ ~": b"\0\xff'", "digits": b"12", "big": bytes(8192), "empty": b""}
    for key, value in odd.items():
        place.store.swap(key, None, value, HOUR)
    place.store.add("sum", 2**40, HOUR)
    place.store.add("less", -5, HOUR)
    before, items = content(place.store), list(place.store.scan())
    place.store.clear()
    place.store.load(items)
    assert content(place.store) == before == odd | {"k": b"old", "k#": 3, "sum#": 2**40, "less#": -5}
    assert all(place.store.get(key) == value for key, value in odd.items())


def test_loading_overwrites_and_keeps_lives(place) -> None:
    """The new value with the new life, whatever the old one had; what is not named stays."""
    place.store.swap("other", None, b"stays", HOUR)
    place.store.load([Item("k", b"new", 50.0), Item("k", 9, 50.0), Item("late", b"x", 500.0)])
    assert content(place.store) == {"k": b"new", "k#": 9, "other": b"stays", "late": b"x"}
    place.advance(100)
    assert content(place.store) == {"other": b"stays", "late": b"x"}
    assert place.store.swap("k", None, b"again", HOUR).won


def test_a_frozen_store_can_be_filled_and_stays_frozen(frozen_place) -> None:
    """By the one who copies, and by nobody else."""
    frozen_place.store.load([Item("k", b"new", HOUR), Item("more", b"x", HOUR), Item("k", 9, HOUR)])
    assert content(frozen_place.store) == {"k": b"new", "more": b"x", "k#": 9}
    assert frozen_place.open().frozen() == frozen_place.how
    assert len(refused(lambda: frozen_place.store.swap("more", b"x", b"y", HOUR))) == 1


def test_a_store_that_is_not_frozen_is_not_after_a_load(place) -> None:
    place.store.load([Item("more", b"x", HOUR)])
    assert place.store.frozen() is None
    assert place.store.swap("more", b"x", b"y", HOUR).won


def test_clearing_leaves_nothing(frozen_place) -> None:
    """Of entries and counters, more than go at once; the freeze stays."""
    frozen_place.store.thaw()
    frozen_place.fill(11_000, HOUR)
    frozen_place.store.freeze(frozen_place.how)
    frozen_place.store.clear()
    assert content(frozen_place.store) == {}
    assert frozen_place.store.frozen() == frozen_place.how


def test_the_size_is_about_right(place) -> None:
    """To draw a bar with."""
    place.fill(500, HOUR)
    assert place.store.size() == pytest.approx(502, abs=2)


# ---- freeze


def test_a_frozen_store_takes_no_change(frozen_place) -> None:
    """Insert, replacement and deletion are refused with the reason, in every store object; nothing is changed."""
    for store in (frozen_place.store, frozen_place.open()):
        assert refused(*changes(store)) == [frozen_place.how.message] * 3
    assert content(frozen_place.store) == {"k": b"old", "k#": 3}


REFUSED = """
import sys
from otp_app.stores import open_store
from otp_app.core.errors import StoreUnavailable
from tests.patience import wait_long
wait_long()
store = open_store(sys.argv[1])
for key, old, new in (("new", None, b"a"), ("k", b"old", b"b"), ("k", b"old", None)):
    try:
        print(store.swap(key, old, new, 3600.0))
    except StoreUnavailable as error:
        print(error)
store.close()
"""


def test_a_frozen_store_takes_no_change_of_another_process(frozen_place) -> None:
    command = [sys.executable, "-c", REFUSED, frozen_place.url]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    assert said.splitlines() == [frozen_place.how.message] * 3


def test_what_is_out_of_date_or_incomplete_is_not_read(frozen_place) -> None:
    """A server that does not know of a move refuses a good code with 503, not with no."""
    if frozen_place.how == Freeze.MOVING:
        assert frozen_place.store.get("k") == b"old"
    else:
        assert refused(lambda: frozen_place.store.get("k")) == [frozen_place.how.message]


def test_counters_go_on(frozen_place) -> None:
    assert (frozen_place.store.add("k", 2, HOUR), frozen_place.store.add("new", 1, HOUR)) == (5, 1)


def test_a_frozen_store_is_not_ready(frozen_place) -> None:
    """So that load balancers and start-up see it."""
    assert refused(frozen_place.store.ping) == [frozen_place.how.message]


def test_thawed_it_takes_changes_again(frozen_place) -> None:
    frozen_place.store.thaw()
    assert frozen_place.store.frozen() is None
    frozen_place.store.ping()
    for store in (frozen_place.store, frozen_place.open()):
        assert [change().won for change in changes(store)] == [True, True, False]
        store.swap("new", b"a", None, HOUR)
        store.swap("k", b"b", b"old", HOUR)


def test_thawing_twice_or_for_nothing_is_no_fault(place) -> None:
    for _ in range(2):
        place.store.thaw()
    assert place.store.frozen() is None


def test_the_last_freeze_counts(frozen_place) -> None:
    """From being copied to having been copied."""
    for how in Freeze:
        frozen_place.store.freeze(how)
        assert frozen_place.open().frozen() == how
        assert refused(*changes(frozen_place.store)) == [how.message] * 3
    frozen_place.store.thaw()
    assert frozen_place.open().frozen() is None


def test_a_freeze_survives_closing(frozen_place) -> None:
    frozen_place.store.close()
    again = frozen_place.open()
    assert again.frozen() == frozen_place.how
    assert refused(*changes(again)) == [frozen_place.how.message] * 3


FREEZER = """
import sys
from otp_app.core.moving import Freeze
from otp_app.stores import open_store
from tests.patience import wait_long
wait_long()
open_store(sys.argv[1]).freeze(Freeze.MOVED)
print("frozen", flush=True)
sys.stdin.read()
"""


def test_a_freeze_survives_the_kill_of_who_froze(place) -> None:
    command = [sys.executable, "-c", FREEZER, place.url]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as freezer:
        assert freezer.stdout.readline() == "frozen\n"  # type: ignore[union-attr]
        os.kill(freezer.pid, signal.SIGKILL)
    assert place.open().frozen() == Freeze.MOVED
    assert refused(*changes(place.store)) == [Freeze.MOVED.message] * 3


def test_a_sweep_of_a_frozen_store_does_no_harm(frozen_place) -> None:
    """It deletes what is over or says why not; what lives stays, and so does the freeze."""
    frozen_place.store.thaw()
    frozen_place.store.load([Item("over", b"x", 50.0), Item("over", 1, 50.0)])
    frozen_place.advance(100)
    frozen_place.store.freeze(frozen_place.how)
    with suppress(StoreUnavailable):
        frozen_place.store.sweep(100)
    assert content(frozen_place.store) == {"k": b"old", "k#": 3}
    assert frozen_place.store.frozen() == frozen_place.how
