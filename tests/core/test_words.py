"""A one-time word is found in whatever people make of the text around it, and next to nothing else is taken for one."""

from __future__ import annotations

import random
from collections import Counter
from math import log2

import pytest

from otp_app.core.words import ALPHABET, LENGTH, MOST_READ, MOST_WORDS, RANDOM_BYTES, shown, word_of, words_in

WORD = "KM4T9XQPHW"
#: a full-width form, as keyboards in East Asia write it
WIDE = "".join(chr(ord(letter) + 0xFEE0) for letter in WORD)


def test_a_word_has_48_bits_and_no_look_alikes() -> None:
    assert LENGTH * log2(len(set(ALPHABET))) >= 48
    assert not set(ALPHABET) & set("01ILOAEU")


def test_each_character_of_a_word_is_equally_likely_in_every_place() -> None:
    """Chi-square of 27 degrees of freedom: 99.99 % of fair draws stay below 62."""
    draw = random.Random(5).randbytes
    words = [word_of(draw(RANDOM_BYTES)) for _ in range(20_000)]
    expected = len(words) / len(ALPHABET)
    for place in range(LENGTH):
        counts = Counter(word[place] for word in words)
        assert sum((n - expected) ** 2 for n in counts.values()) / expected < 62
    assert all(words_in(f"It is {shown(word)}.") == [word] for word in words[:100])


@pytest.mark.parametrize("text", [
    "KM4T9-XQPHW", "km4t9-xqphw", "KM4T9XQPHW", "km4t9xqphw", "KM4T9 XQPHW", "  KM4T9 - XQPHW  ", "KM4-T9X-QPHW",
    "KM4T9\u2011XQPHW", "KM4T9\u2013XQPHW", "KM4T9\u00a0XQPHW", "KM4T9\nXQPHW", "*KM4T9-XQPHW*", "_KM4T9-XQPHW_",
    '"KM4T9-XQPHW".', "I confirm my number for Shop (login): KM4T9-XQPHW. Thanks!", "KM4T9-XQPHW is it",
    "code KM4T9 XQPHW please", "Shop 24: my word KM4T9-XQPHW, sent 29 Nov 2026 18:12", WIDE, f"これです\uff1a{WIDE}",
    "q KM4T9-XQPHW ps",
])  # fmt: skip
def test_the_word_is_found(text: str) -> None:
    """In capitals or not, with blanks or dashes, in a sentence of which nothing else is a word."""
    assert words_in(text) == [WORD]


@pytest.mark.parametrize("text", [
    "", " ", "KM4T9-XQPH", "KM4T9-XQPHWZ", "KM4T9-XQPHO", "KM4T9.XQPHW", "KM4T9-----XQPHW", "KM4T9, XQPHW", "STOP",
    "éKM4T9-XQPHW", "Hello, I would like to know where my parcel is", "KM4T9XQPHWKM4T9XQPHW", "\ud800KM4",
])  # fmt: skip
def test_anything_else_is_none(text: str) -> None:
    assert words_in(text) == []


def test_a_long_message_is_read_from_its_beginning_only() -> None:
    """A webhook may have 64 KiB, and each message costs its sender nothing."""
    assert words_in("so " * 1300 + shown(WORD)) == [WORD]
    assert words_in("so " * MOST_READ + shown(WORD)) == []


def test_of_a_list_of_guesses_few_are_looked_at() -> None:
    """The first ones: a message is no more than so many guesses."""
    draw = random.Random(6).randbytes
    words = [word_of(draw(RANDOM_BYTES)) for _ in range(1000)]
    assert words_in(", ".join(words)) == words[:MOST_WORDS]
    assert words_in(f"{shown(words[0])}, {words[0]}, {words[1]}") == words[:2]
