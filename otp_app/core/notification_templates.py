"""The templates of notifications: what a message says, by text or by a template that its provider has approved."""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import msgspec

from otp_app.core.delivery import Content
from otp_app.core.texts import best_tag, is_whole

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")  # of a template, and of a variable
LONGEST_TEXT = 1600  # UTF-16 units: what Twilio takes in one message
LONGEST_VALUE = 256  # characters
MOST_BYTES = 4000  # of all values together, as they are stored until the message has left
_BLANKS = " " * 5  # WhatsApp takes four in a row at most
_END = "x"  # stands for what ends a run of digits
_BREAKS = {"Cc", "Zl", "Zp"}


@dataclass(frozen=True, slots=True)
class Approved:
    """A template that the provider has approved, by language."""

    sid: str
    by_locale: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)  # the provider's placeholder -> the caller's variable

    @property
    def sids(self) -> dict[str, str]:
        """The provider's ids by language tag, "" for the default one."""
        return {"": self.sid} | dict(self.by_locale)

    def content(self, values: Mapping[str, str], locale: str) -> Content:
        """Return what to send."""
        tag = best_tag(locale, self.by_locale)
        filled = {placeholder: values[name] for placeholder, name in self.variables.items()}
        return Content(self.by_locale[tag] if tag else self.sid, filled)


@dataclass(frozen=True, slots=True)
class Template:
    """What a notification says. It has a text, or an approved template for channels that take those, or both."""

    text: str = ""
    by_locale: Mapping[str, str] = field(default_factory=dict)  # language_tag -> text
    approved: Approved | None = None

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of all values that it needs, in the order of the text."""
        texts = (name for text in (self.text, *self.by_locale.values()) for name in placeholders(text))
        return tuple(dict.fromkeys([*texts, *(self.approved.variables.values() if self.approved else ())]))

    @property
    def texts(self) -> dict[str, str]:
        """Its texts by language tag, "" for the default one."""
        return ({"": self.text} if self.text else {}) | dict(self.by_locale)

    def rendered(self, values: Mapping[str, str], locale: str) -> str:
        """Return the text in the language that fits best; "" where there is none."""
        tag = best_tag(locale, self.by_locale)
        return (self.by_locale[tag] if tag else self.text).format_map(values)

    def fault_of(self, values: Mapping[str, str], locale: str) -> str:
        """Return why these values cannot be sent, "" where they can."""
        if missing := [name for name in self.variables if name not in values]:
            return f"variables: {missing[0]} is missing"
        if set(values) - set(self.variables):
            known = ", ".join(self.variables)
            return f"variables: this template has {f'only {known}' if known else 'none'}"
        if bad := next((name for name in self.variables if not _is_sayable(values[name])), None):
            return (
                f"variables: {bad} must have 1 to {LONGEST_VALUE} characters, without line breaks, other control "
                "characters, and more than four blanks in a row"
            )
        if len(msgspec.json.encode(dict(values))) > MOST_BYTES:
            return f"variables: the values may have {MOST_BYTES} bytes together"
        too_long = self.text and units(self.rendered(values, locale)) > LONGEST_TEXT
        return f"variables: the text would be longer than {LONGEST_TEXT} characters" if too_long else ""


def placeholders(text: str) -> list[str]:
    """Return the names between braces, in their order. Raises ValueError, which says what to write."""
    try:
        parts = [part for part in string.Formatter().parse(text) if part[1] is not None]
    except ValueError:
        raise ValueError("has a brace without its partner: write {{ or }} for a brace itself") from None
    if any(form or conversion or not NAME.fullmatch(name or "") for _, name, form, conversion in parts):
        raise ValueError("has something else between braces than a name of a-z, 0-9 and _")
    return [name or "" for _, name, _, _ in parts]


def bare(text: str) -> str:
    """Return a text with nothing for its variables. Raises ValueError, as placeholders does."""
    return text.format_map(dict.fromkeys(placeholders(text), ""))


def text_fault(text: str) -> str:
    """Return what is wrong with a text, "" where nothing is."""
    if not text.strip():
        return "is empty"
    if not is_whole(text):
        return "has half of a character"
    try:
        literal = bare(text)
    except ValueError as error:
        return str(error)
    return f"is longer than {LONGEST_TEXT} characters" if units(literal) > LONGEST_TEXT else ""


def units(text: str) -> int:
    """Return the length of a text in UTF-16, as providers count."""
    return len(text.encode("utf-16-le")) // 2


def digit_groups(values: Iterable[str], lengths: Iterable[int]) -> Iterator[str]:
    """Yield every group of digits in these values, as a person reads them, that has one of these lengths.

    Blanks and dashes between digits do not count, nor what cannot be seen, nor where one value ends.
    """
    wanted = set(lengths)
    longest, shortest = max(wanted, default=0), min(wanted, default=0)
    for run in _runs(" ".join(values), shortest) if wanted else ():
        for first in range(len(run)):
            group = ""
            for piece in run[first : first + longest]:
                group += piece
                if len(group) in wanted:
                    yield group
                if len(group) >= longest:
                    break


def _runs(text: str, at_least: int) -> Iterator[list[str]]:
    """Yield the digits of a text in pieces that blanks or dashes part; anything else begins a new list. Of fewer digits
    than `at_least` there may be none.
    """  # fmt: skip
    for run in "".join(map(_reading, text)).split(_END):
        if len(run) >= at_least:
            yield run.split()


@lru_cache(1024)
def _reading(character: str) -> str:
    """Return the digit that a character is, a blank for what may part digits, "" for what cannot be seen, or _END."""
    if (digit := unicodedata.digit(character, None)) is not None:
        return str(digit)
    kind = unicodedata.category(character)
    return " " if kind in ("Zs", "Pd") else "" if kind in ("Cf", "Mn", "Me") else _END


def _is_sayable(value: str) -> bool:
    if not (value.strip() and len(value) <= LONGEST_VALUE) or _BLANKS in value:
        return False
    return not any(unicodedata.category(character) in _BREAKS for character in value)
