"""Texts that make a regular expression work hard: everything that it repeats, repeated, and then broken off."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Iterator
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

#: What ends a text so that it does not match after all.
ENDS = ("", "\x00", "!", "\n")
MOST_PIECES = 14
CATEGORIES = {
    _constants.CATEGORY_DIGIT: "7", _constants.CATEGORY_NOT_DIGIT: "x", _constants.CATEGORY_SPACE: " ",
    _constants.CATEGORY_NOT_SPACE: "x", _constants.CATEGORY_WORD: "x", _constants.CATEGORY_NOT_WORD: " ",
}  # fmt: skip
REPEATS = (_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT)


def texts(pattern: re.Pattern[Any], size: int) -> Iterator[Any]:
    """Texts of about `size` characters, or bytes, over the pattern's own alphabet.

    Each of its pieces repeated, each two of them in turn, and one after another.
    """
    raw = isinstance(pattern.pattern, bytes)
    for once, more, end in recipes(pattern):
        text = (once + more * (size // len(more)))[: size - len(end)] + end
        yield text.encode("latin-1", "replace") if raw else text


def recipes(pattern: re.Pattern[Any]) -> list[tuple[str, str, str]]:
    """What comes first, what is repeated after it, and what ends it."""
    flags = pattern.flags & ~re.DEBUG
    said = pattern.pattern
    found: dict[str, None] = {}
    whole = _sample(_parser.parse(said, flags), found)
    pieces = list(dict.fromkeys(piece for piece in (whole, *found) if piece))[:MOST_PIECES]
    pairs = list(itertools.product(pieces, pieces))
    made = [("", piece) for piece in pieces] + pairs + [("", one + two) for one, two in pairs]
    made += [(one, one + two) for one, two in pairs]
    return [(once, more, end) for once, more in dict.fromkeys(made) for end in ENDS]


def _sample(nodes: Any, found: dict[str, None]) -> str:
    """The shortest text for these nodes; notes in `found` what each of them can be, and what comes before it."""
    text = ""
    for kind, value in nodes:
        options = _options(kind, value, found)
        for option in options:
            found[option] = None
        if kind in REPEATS and options:
            found[text + options[0]] = None
        text += options[0] * (value[0] if kind in REPEATS else 1) if options else ""
    return text


def _options(kind: Any, value: Any, found: dict[str, None]) -> list[str]:
    if kind is _constants.LITERAL:
        return [chr(value)]
    if kind is _constants.NOT_LITERAL:
        return ["x" if value != ord("x") else "y"]
    if kind is _constants.ANY:
        return ["x", " "]
    if kind is _constants.IN:
        return _members(value)
    if kind is _constants.BRANCH:
        return [sample for branch in value[1] if (sample := _sample(branch, found))]
    if kind in (_constants.SUBPATTERN, *REPEATS):
        return [sample] if (sample := _sample(value[-1], found)) else []
    if kind is _constants.ATOMIC_GROUP:
        return [sample] if (sample := _sample(value, found)) else []
    if kind in (_constants.ASSERT, _constants.ASSERT_NOT):
        _sample(value[1], found)
    return []


def _members(items: list[Any]) -> list[str]:
    if items[0][0] is _constants.NEGATE:
        barred = re.compile(f"[{re.escape(''.join(_members(items[1:])))}]")
        return [one for one in "x7 \\\"'" if not barred.match(one)][:2]
    found: dict[str, None] = {}
    for kind, value in items:
        if kind is _constants.LITERAL:
            found[chr(value)] = None
        elif kind is _constants.RANGE:
            found[chr(value[0])] = None
        elif kind is _constants.CATEGORY:
            found[CATEGORIES.get(value, "x")] = None
    return list(found)[:3]


def cost(act: Callable[[], object], times: int = 1) -> float:
    """Seconds of this thread that the act takes: the least of so many, since other work can only add to it."""
    least = float("inf")
    for _ in range(times):
        begun = time.thread_time()
        act()
        least = min(least, time.thread_time() - begun)
    return least
