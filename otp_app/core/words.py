"""One-time words: what the holder of a number writes to us, as codes are what we write to them."""

from __future__ import annotations

import re

#: Neither vowels nor look-alikes (0, 1, I, L, O), so that next to nothing in a sentence has the form of a word.
ALPHABET = "23456789BCDFGHJKMNPQRSTVWXYZ"
LENGTH = 10  # 48 bits
GROUP = 5  # characters that are shown together
MOST_WORDS = 4  # of one message that are looked up: a message is one guess, or hardly more
RANDOM_BYTES = 16  # of a new word: the bias is below 2**-79

_LETTERS = frozenset(ALPHABET)
_RUN = re.compile(r"[^\W_]+")
_JOINING = frozenset(" \t\r\n\u00a0\u2009\u202f-\u2010\u2011\u2012\u2013\u2014\u2212")
_LONGEST_GAP = 3  # characters between two parts of a word
_FULL_WIDTH = 0xFEE0  # how far the full-width forms of ASCII, which keyboards in East Asia write, are from it
_TO_ASCII = {code + _FULL_WIDTH: code for code in range(0x21, 0x7F)}


def word_of(random: bytes) -> str:
    """Return the word that these RANDOM_BYTES bytes make."""
    number, word = int.from_bytes(random), ""
    for _ in range(LENGTH):
        number, place = divmod(number, len(ALPHABET))
        word += ALPHABET[place]
    return word


def shown(word: str) -> str:
    """Return a word in groups: `KM4T9-XQPHW`."""
    return "-".join(word[at : at + GROUP] for at in range(0, LENGTH, GROUP))


def words_in(text: str) -> list[str]:
    """Return what has the form of a word, in its order, at most MOST_WORDS; case, blanks and dashes do not count.

    Each part of the text is looked at no more than LENGTH times.
    """
    text, found = text.translate(_TO_ASCII).upper(), dict[str, None]()
    runs = [match.span() for match in _RUN.finditer(text)]
    for first in range(len(runs)):
        if word := _word_at(text, runs[first : first + LENGTH]):
            found[word] = None
            if len(found) == MOST_WORDS:
                break
    return list(found)


def _word_at(text: str, runs: list[tuple[int, int]]) -> str:
    """Return the word that begins with the first of these runs of letters and digits, "" where none does."""
    word, end = "", runs[0][0]
    for start, stop in runs:
        if not _joins(text[end:start]) or len(word) + stop - start > LENGTH:
            return ""
        word, end = word + text[start:stop], stop
        if not _LETTERS.issuperset(word):
            return ""
        if len(word) == LENGTH:
            return word
    return ""


def _joins(gap: str) -> bool:
    return len(gap) <= _LONGEST_GAP and _JOINING.issuperset(gap)
