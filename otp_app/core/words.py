"""One-time words: what the holder of a number writes to us, as codes are what we write to them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate

#: Neither vowels nor look-alikes (0, 1, I, L, O), so that next to nothing in a sentence has the form of a word.
ALPHABET = "23456789BCDFGHJKMNPQRSTVWXYZ"
LENGTH = 10  # 48 bits
GROUP = 5  # characters that are shown together
MOST_WORDS = 4  # of one message that are looked up: a message is one guess, or hardly more
RANDOM_BYTES = 16  # of a new word: the bias is below 2**-79

MOST_READ = 4096  # characters of a message; the text with the word has 100, and people add a line

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

    The beginning of the text is read, in linear time.
    """
    found = dict[str, None]()
    for chain in _chains(text[:MOST_READ].translate(_TO_ASCII).upper()):
        letters, ends = "".join(chain), list(accumulate(map(len, chain), initial=0))
        may_end = set(ends)
        for first in ends[:-1]:
            word = letters[first : first + LENGTH]
            if first + LENGTH in may_end and _LETTERS.issuperset(word):
                found[word] = None
                if len(found) == MOST_WORDS:
                    return list(found)
    return list(found)


def _chains(text: str) -> Iterator[list[str]]:
    """Yield the runs of letters and digits, those together between which nothing but blanks and dashes stands."""
    chain, end = list[str](), 0
    for match in _RUN.finditer(text):
        if chain and not _joins(text[end : match.start()]):
            yield chain
            chain = []
        chain.append(match[0])
        end = match.end()
    if chain:
        yield chain


def _joins(gap: str) -> bool:
    return len(gap) <= _LONGEST_GAP and _JOINING.issuperset(gap)
