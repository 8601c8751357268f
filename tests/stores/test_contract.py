"""What every store must do. A new store is a row in conftest.py; nothing here knows one by name."""

from __future__ import annotations

import pytest

from otp_app.core.store import Store, Swap
from tests.rounds import rounds

HOUR = 3600.0
EVERY_BYTE = bytes(range(256))


# ---- get and swap


def test_what_was_never_put_is_absent(store: Store) -> None:
    assert store.get("k") is None


def test_a_value_is_put_where_nothing_was(store: Store) -> None:
    assert store.swap("k", None, b"a", HOUR) == Swap(won=True, found=b"a")
    assert store.get("k") == b"a"


def test_a_value_takes_the_place_of_the_expected_one(store: Store) -> None:
    store.swap("k", None, b"a", HOUR)
    assert store.swap("k", b"a", b"b", HOUR) == Swap(won=True, found=b"b")
    assert store.get("k") == b"b"


@pytest.mark.parametrize("old", [None, b"b", b"", b"a\0", b"A"])
def test_who_expects_something_else_loses_and_sees_what_is_there(store: Store, old: bytes | None) -> None:
    store.swap("k", None, b"a", HOUR)
    assert store.swap("k", old, b"c", HOUR) == Swap(won=False, found=b"a")
    assert store.get("k") == b"a"


def test_who_expects_something_where_nothing_is_loses(store: Store) -> None:
    assert store.swap("k", b"a", b"b", HOUR) == Swap(won=False, found=None)
    assert store.get("k") is None


def test_none_deletes_the_expected_value(store: Store) -> None:
    store.swap("k", None, b"a", HOUR)
    assert store.swap("k", b"a", None, HOUR) == Swap(won=True, found=None)
    assert store.get("k") is None


def test_a_delete_that_expects_something_else_loses(store: Store) -> None:
    store.swap("k", None, b"a", HOUR)
    assert store.swap("k", b"b", None, HOUR) == Swap(won=False, found=b"a")
    assert store.get("k") == b"a"


def test_nothing_for_nothing_is_won(store: Store) -> None:
    assert store.swap("k", None, None, HOUR) == Swap(won=True, found=None)


def test_nothing_for_nothing_is_lost_where_something_is(store: Store) -> None:
    store.swap("k", None, b"a", HOUR)
    assert store.swap("k", None, None, HOUR) == Swap(won=False, found=b"a")


def test_a_deleted_key_can_be_put_again(store: Store) -> None:
    store.swap("k", None, b"a", HOUR)
    store.swap("k", b"a", None, HOUR)
    assert store.swap("k", None, b"b", HOUR).won


def test_a_value_may_be_swapped_for_itself(store: Store) -> None:
    store.swap("k", None, b"a", HOUR)
    assert store.swap("k", b"a", b"a", HOUR) == Swap(won=True, found=b"a")


@pytest.mark.parametrize("value", [b"", b"\0", EVERY_BYTE, EVERY_BYTE * 32, "ü€😀".encode(), b"\xff\xfe"], ids=len)
def test_values_come_back_to_the_byte(store: Store, value: bytes) -> None:
    """From nothing to 8 KiB, compared as well as kept."""
    assert store.swap("k", None, value, HOUR).won
    assert store.get("k") == value
    assert store.swap("k", value, b"next", HOUR).won


def test_an_empty_value_is_not_an_absent_one(store: Store) -> None:
    store.swap("k", None, b"", HOUR)
    assert store.swap("k", None, b"a", HOUR) == Swap(won=False, found=b"")


@pytest.mark.parametrize("key", ["n:0123456789abcdef01", "i:" + "f" * 64, "x" * 100, "a b", "a'b", "a%b_", "{a}"])
def test_keys_of_every_form_are_their_own(store: Store, key: str) -> None:
    store.swap(key, None, b"a", HOUR)
    assert store.get(key) == b"a"
    assert store.get(key + "x") is store.get(key[:-1]) is None


ALIKE = [("k", "K"), ("1", "01"), ("1", "1.0"), ("a", "a "), ("a_", "ab"), ("a*", "ab")]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_keys_that_look_alike_are_apart(store: Store, one: str, other: str) -> None:
    store.swap(one, None, b"a", HOUR)
    store.add(one, 1, HOUR)
    assert store.get(other) is None
    assert store.add(other, 0, HOUR) == 0
    assert store.swap(other, b"a", None, HOUR) == Swap(won=False, found=None)
    assert store.get(one) == b"a"


def test_values_are_no_numbers(store: Store) -> None:
    store.swap("k", None, b"1", HOUR)
    assert store.swap("k", b"01", b"2", HOUR) == Swap(won=False, found=b"1")


# ---- lifetimes


def test_a_value_lives_its_ttl_and_no_longer(place) -> None:
    place.store.swap("k", None, b"a", 100)
    place.advance(99)
    assert place.store.get("k") == b"a"
    place.advance(1.5)
    assert place.store.get("k") is None


def test_what_is_over_is_nothing_to_a_swap(place) -> None:
    place.store.swap("k", None, b"a", 100)
    place.advance(101)
    assert place.store.swap("k", b"a", b"b", 100) == Swap(won=False, found=None)
    assert place.store.swap("k", None, b"c", 100) == Swap(won=True, found=b"c")
    assert place.store.get("k") == b"c"


def test_what_is_over_cannot_be_deleted(place) -> None:
    place.store.swap("k", None, b"a", 100)
    place.advance(101)
    assert place.store.swap("k", b"a", None, 100) == Swap(won=False, found=None)


def test_a_swap_gives_a_new_lifetime(place) -> None:
    place.store.swap("k", None, b"a", 100)
    place.advance(90)
    place.store.swap("k", b"a", b"b", 100)
    place.advance(90)
    assert place.store.get("k") == b"b"


def test_a_swap_may_shorten_a_life(place) -> None:
    place.store.swap("k", None, b"a", HOUR)
    place.store.swap("k", b"a", b"b", 10)
    place.advance(11)
    assert place.store.get("k") is None


def test_a_lost_swap_gives_no_life(place) -> None:
    place.store.swap("k", None, b"a", 100)
    place.advance(90)
    place.store.swap("k", b"x", b"b", HOUR)
    place.advance(20)
    assert place.store.get("k") is None


def test_a_life_of_31_days_is_kept(place) -> None:
    place.store.swap("k", None, b"a", 31 * 86_400)
    place.advance(30.9 * 86_400)
    assert place.store.get("k") == b"a"


# ---- counters


def test_a_counter_starts_at_nothing(store: Store) -> None:
    assert store.add("c", 0, HOUR) == 0
    assert store.add("c", 1, HOUR) == 1


def test_a_counter_sums_up(store: Store) -> None:
    assert [store.add("c", n, HOUR) for n in (1, 2, 5)] == [1, 3, 8]


def test_adding_nothing_only_reads(place) -> None:
    place.store.add("c", 3, 100)
    place.advance(60)
    assert place.store.add("c", 0, HOUR) == 3
    place.advance(60)
    assert place.store.add("c", 0, HOUR) == 0


def test_adding_nothing_begins_no_life(place) -> None:
    place.store.add("c", 0, 100)
    place.advance(60)
    place.store.add("c", 1, 100)
    place.advance(60)
    assert place.store.add("c", 0, 100) == 1


def test_a_counter_may_go_down(store: Store) -> None:
    store.add("c", 3, HOUR)
    assert store.add("c", -3, HOUR) == 0


def test_a_counter_lives_from_its_first_addition(place) -> None:
    place.store.add("c", 1, 100)
    place.advance(90)
    assert place.store.add("c", 1, 100) == 2
    place.advance(20)
    assert place.store.add("c", 1, 100) == 1


def test_a_large_counter_is_exact(store: Store) -> None:
    assert store.add("c", 2**40, HOUR) + 1 == store.add("c", 1, HOUR)


def test_counters_and_values_are_apart(store: Store) -> None:
    store.add("k", 7, HOUR)
    assert store.get("k") is None
    assert store.swap("k", None, b"a", HOUR).won
    assert store.add("k", 0, HOUR) == 7
    assert store.get("k") == b"a"


def test_counters_are_apart_from_each_other(store: Store) -> None:
    store.add("a", 1, HOUR)
    assert store.add("b", 0, HOUR) == 0


# ---- sweep, ping, close


def test_sweep_leaves_what_lives(place) -> None:
    place.store.swap("k", None, b"a", HOUR)
    place.store.add("c", 1, HOUR)
    place.store.sweep(100)
    assert (place.store.get("k"), place.store.add("c", 0, HOUR)) == (b"a", 1)


def test_sweep_deletes_values_and_counters_up_to_the_limit(place) -> None:
    for n in range(3):
        place.store.swap(f"k{n}", None, b"a", 10)
        place.store.add(f"c{n}", 1, 10)
    assert place.store.sweep(100) == 0
    place.advance(11)
    assert [place.store.sweep(limit) for limit in (0, 2, 2, 100, 100)] == ([0, 2, 2, 2, 0] if place.sweeps else [0] * 5)


def test_what_was_swept_can_be_put_again(place) -> None:
    place.store.swap("k", None, b"a", 10)
    place.store.add("c", 1, 10)
    place.advance(11)
    place.store.sweep(100)
    assert place.store.swap("k", None, b"b", HOUR).won
    assert place.store.add("c", 1, HOUR) == 1


def test_ping_answers_and_leaves_nothing(store: Store) -> None:
    store.ping()
    store.ping()
    assert store.get("ping") is None


def test_closing_twice_is_no_fault(place) -> None:
    store = place.open()
    store.close()
    store.close()


# ---- many entries


def test_with_many_entries_every_verb_does_its_work(place) -> None:
    """A hundred thousand, with CI=true a million."""
    count = rounds(100_000, 1_000_000)
    place.fill(count, 100)
    store = place.store
    assert store.get("fill0") == store.get(f"fill{count - 1}") == b"x"
    assert store.get(f"fill{count}") is None
    assert store.swap("fill5000", b"x", b"y", HOUR).won
    assert store.swap("new", None, b"z", HOUR).won
    place.advance(101)
    assert store.get("fill1") is None
    assert store.sweep(1000) == (1000 if place.sweeps else 0)
    assert store.get("fill5000") == b"y"
    assert store.get("new") == b"z"


def test_sweeping_goes_on_where_it_stopped(place) -> None:
    place.fill(2500, 10)
    place.store.swap("k", None, b"a", HOUR)
    place.advance(11)
    assert [place.store.sweep(1000) for _ in range(4)] == ([1000, 1000, 500, 0] if place.sweeps else [0] * 4)
    assert place.store.get("k") == b"a"
