"""Codes are fair, bound to what they are for, and made by a key that can change; ids name a ledger and nothing else."""

from __future__ import annotations

import base64
import random
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from otp_app.core.codes import CODE, CodeKeys, LedgerIds, code_offset, matches, parse_keys, parse_secret, shift_code
from otp_app.core.errors import UnknownKey
from tests.core.fakes import INDEX_KEY, K1, K2, ONE_KEY, PHONE, World
from tests.rounds import rounds

FOR: dict[str, Any] = {
    "verification_id": "VE" + "0" * 32, "phone": PHONE, "purpose": "login", "generation": 0, "length": 6,
}  # fmt: skip
DRAWN = rounds(100_000, 200_000)


@pytest.fixture(scope="module")
def drawn() -> list[str]:
    """Codes of many verifications, the same in every run."""
    return [ONE_KEY.derive("k1", **FOR | {"verification_id": f"VE{n:032x}"}) for n in range(DRAWN)]


@pytest.fixture
def ids() -> LedgerIds:
    """Names with randomness that is the same in every run."""
    return LedgerIds(INDEX_KEY, random.Random(3).randbytes)


# 99.99 % of fair draws stay below: chi-square of 9 and of 999 degrees of freedom
CHI_9, CHI_999 = 33.72, 1170.0


def _chi_square(counts: Counter[str], kinds: int, draws: int) -> float:
    expected = draws / kinds
    return sum((n - expected) ** 2 for n in counts.values()) / expected + (kinds - len(counts)) * expected


@pytest.mark.parametrize("place", range(6))
def test_every_digit_is_equally_likely_in_every_place(drawn: list[str], place: int) -> None:
    assert _chi_square(Counter(code[place] for code in drawn), 10, DRAWN) < CHI_9


@pytest.mark.parametrize("part", [slice(0, 3), slice(3, 6)])
def test_no_three_digits_are_likelier_together(drawn: list[str], part: slice) -> None:
    assert _chi_square(Counter(code[part] for code in drawn), 1000, DRAWN) < CHI_999


def test_codes_have_leading_zeros_and_are_always_as_long(drawn: list[str]) -> None:
    assert {len(code) for code in drawn} == {6}
    assert sum(code.startswith("0") for code in drawn) > DRAWN / 11
    assert any(code.startswith("000") for code in drawn)


@pytest.mark.parametrize("length", [4, 6, 8, 10])
def test_a_code_has_the_length_that_was_asked_for(length: int) -> None:
    code = ONE_KEY.derive("k1", **FOR | {"length": length})
    assert len(code) == length
    assert CODE.fullmatch(code)


def test_the_same_question_has_the_same_code() -> None:
    assert ONE_KEY.derive("k1", **FOR) == ONE_KEY.derive("k1", **FOR)


@pytest.mark.parametrize(
    "other",
    [
        {"verification_id": "VE" + "1" * 32},
        {"phone": "+14155552672"},
        {"purpose": "payment"},
        {"generation": 1},
    ],
)
def test_a_code_is_bound_to_all_that_it_is_for(other: dict[str, object]) -> None:
    """Compared at ten digits, where equal codes would be no accident."""
    long = FOR | {"length": 10}
    assert ONE_KEY.derive("k1", **long) != ONE_KEY.derive("k1", **long | other)


def test_a_longer_code_does_not_contain_the_shorter_one() -> None:
    assert not ONE_KEY.derive("k1", **FOR | {"length": 10}).endswith(ONE_KEY.derive("k1", **FOR))


def test_another_key_makes_another_code() -> None:
    both = CodeKeys("k2", {"k2": K2, "k1": K1})
    assert both.derive("k2", **FOR) != both.derive("k1", **FOR) == ONE_KEY.derive("k1", **FOR)


def test_a_key_that_is_not_held_is_said_to_be_unknown() -> None:
    with pytest.raises(UnknownKey):
        ONE_KEY.derive("k9", **FOR)


@pytest.mark.parametrize(
    ("attempt", "code", "same"),
    [("012345", "012345", True), ("12345", "012345", False), ("0123456", "012345", False), ("012346", "012345", False)],
)
def test_only_the_whole_code_matches(attempt: str, code: str, same: bool) -> None:
    assert matches(attempt, code) is same


@pytest.mark.parametrize(
    "text", ["123", "12345678901", "12345a", "", " 123456", "123456\n", "\u0661" * 6, "\ud800" * 6], ids=ascii
)
def test_what_is_not_ascii_digits_is_no_attempt(text: str) -> None:
    assert CODE.fullmatch(text) is None


def test_an_id_names_the_ledger_of_its_number(ids: LedgerIds) -> None:
    for phone in (PHONE, "+919876543210"):
        assert ids.ledger_of(ids.new_verification(ids.ledger(phone))) == ids.ledger(phone)


def test_ledgers_of_two_numbers_have_two_names_and_no_digit_of_the_number(ids: LedgerIds) -> None:
    assert ids.ledger(PHONE) != ids.ledger("+14155552672")
    assert PHONE[1:] not in ids.ledger(PHONE)


def _shared_runs(one: str, other: str, length: int) -> Iterator[str]:
    return (one[i : i + length] for i in range(2, len(one) - length + 1) if one[i : i + length] in other[2:])


def test_ids_of_one_number_share_nothing_that_can_be_seen(ids: LedgerIds) -> None:
    """Nobody who sees two ids can tell that they belong to one number."""
    made = [ids.new_verification(ids.ledger(PHONE)) for _ in range(50)]
    assert len(set(made)) == 50
    hidden = ids.ledger(PHONE).removeprefix("n:")
    for one, other in pairwise(made):
        assert not list(_shared_runs(one, other, 6))
        assert not list(_shared_runs(one, "VE" + hidden, 6))


def test_an_id_made_with_another_index_key_names_no_ledger_of_ours(ids: LedgerIds) -> None:
    theirs = LedgerIds(b"j" * 32, random.Random(3).randbytes)
    assert ids.ledger_of(theirs.new_verification(theirs.ledger(PHONE))) != ids.ledger(PHONE)


@pytest.mark.parametrize(
    "odd",
    ["", "VE", "VE" + "g" * 32, "VE" + "A" * 32, "VE" + "0" * 31, "VE" + "0" * 33, "ve" + "0" * 32, "VL" + "0" * 32,
     "VE" + "0" * 32 + "\n", "VE" + "\u0660" * 32, "\ud800", "0" * 1_000_000],
    ids=lambda odd: ascii(odd[:8]),
)  # fmt: skip
def test_what_is_no_id_names_nothing(ids: LedgerIds, odd: str) -> None:
    assert ids.ledger_of(odd) is None


def test_an_id_that_was_made_up_names_some_other_ledger(ids: LedgerIds) -> None:
    assert ids.ledger_of("VE" + "0" * 32) not in (None, ids.ledger(PHONE))


def test_sends_have_ids_of_their_own(ids: LedgerIds) -> None:
    made = {ids.new_send() for _ in range(100)}
    assert len(made) == 100
    assert all(i.startswith("VL") and len(i) == 34 for i in made)


def _b64(secret: bytes) -> str:
    return base64.b64encode(secret).decode()


def test_keys_are_read_in_order_and_the_first_makes_codes() -> None:
    keys = parse_keys(f"k2:{_b64(K2)}, k1:{_b64(K1)}")
    assert (keys.current, dict(keys.keys)) == ("k2", {"k2": K2, "k1": K1})


@pytest.mark.parametrize(
    "text",
    ["", "k1", "k1:", ":" + _b64(K1), "k 1:" + _b64(K1), "k" * 17 + ":" + _b64(K1), "k1:" + _b64(K1)[:-1],
     "k1:" + _b64(b"short"), "k1:\u00e9" + _b64(K1), f"k1:{_b64(K1)},k1:{_b64(K2)}", f"k1:{_b64(K1)},", "k1:\ud800"],
    ids=lambda text: ascii(text[:12]),
)  # fmt: skip
def test_faulty_keys_are_refused_and_never_repeated(text: str) -> None:
    with pytest.raises(ValueError) as refusal:
        parse_keys(text)
    assert _b64(K1) not in str(refusal.value)


def test_a_secret_of_32_bytes_is_long_enough() -> None:
    assert parse_secret(_b64(K1)) == K1
    with pytest.raises(ValueError, match="shorter"):
        parse_secret(_b64(K1[:31]))


# ---- codes that callers chose, and keys for other uses


def test_a_distance_leads_from_one_code_to_another() -> None:
    for derived, chosen in [("000000", "999999"), ("999999", "000000"), ("0042", "0042"), ("5", "3")]:
        assert shift_code(derived, code_offset(chosen, derived)) == chosen


def test_a_distance_is_as_long_as_the_code() -> None:
    """As far round as digits go: it is what a one-time pad would leave."""
    assert code_offset("0000", "0001") == 9999


def test_keys_for_another_use_are_others() -> None:
    """By the same ids; each use has its own."""
    keys = CodeKeys("k2", {"k2": K2, "k1": K1})
    tokens, others = keys.for_use("session token"), keys.for_use("something else")
    assert tokens.keys() == {"k1", "k2"}
    assert len({*tokens.values(), *others.values(), K1, K2}) == 6
    assert tokens == keys.for_use("session token")


@pytest.mark.parametrize(
    "typed",
    [
        "123456", " 123456 ", "123 456", "123-456", "12 34-56", "123\u00a0456", "123\u202f456", "123\u2009456",
        "123\u2011456", "123\u2013456", "\u0661\u0662\u0663\u0664\u0665\u0666", "\u06f1\u06f2\u06f3\u06f4\u06f5\u06f6",
        "\u0967\u0968\u0969\u096a\u096b\u096c", "\uff11\uff12\uff13\uff14\uff15\uff16", "123\u0664\u0665\u0666",
    ],
    ids=ascii,
)  # fmt: skip
def test_a_code_is_accepted_as_a_person_types_it(world: World, typed: str) -> None:
    world.send(code="123456")
    assert world.service().check(typed, phone_number=PHONE).approved


@pytest.mark.parametrize("typed", ["123457 ", "12\u0663\u0664-57"], ids=ascii)
def test_a_wrong_code_as_a_person_types_it_is_one_attempt(world: World, typed: str) -> None:
    world.send(code="123456")
    assert world.service().check(typed, phone_number=PHONE).attempts_left == 4


@pytest.mark.parametrize(
    "text",
    [
        "123456\n", "\t123456", "123\r456", "123456\0", "+123456", "-123456", "123456-", " -123456", "123,456",
        "123.456", "123_456", "12345\u00b2", "12345\u2465", "\u2212123456", "123\u200b456", "\u2167" * 6,
        "1e5", "", " - ", " " * 59 + "123456", "1" * 1_000_000,
    ],
    ids=lambda text: ascii(text)[:20],
)  # fmt: skip
def test_what_no_person_reads_from_a_message_is_no_attempt(world: World, text: str) -> None:
    world.send(code="123456")
    assert not world.service().check(text, phone_number=PHONE).counted
    assert world.ledger().verifications[0].attempts == 0
