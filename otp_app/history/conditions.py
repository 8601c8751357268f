"""Conditions in SQL. Each brings the values of its placeholders along, so they are in the order of the placeholders."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from otp_app.history.schema import marks


class Condition(NamedTuple):
    """A condition, and the values of its placeholders."""

    text: str
    values: Sequence[Any] = ()


def equals(column: str, value: Any) -> Condition:
    """Return the rows' condition to have a value in a column."""
    return Condition(f"{column} = ?", [value])


def is_any_of(column: str, values: Collection[str]) -> Condition:
    """Return that to have one of some values; no row has one of none."""
    return Condition(f"{column} IN ({marks(len(values))})", list(values)) if values else Condition("1 = 0")


def begins_with(column: str, text: str) -> Condition:
    """Return that to begin with a text, which has no placeholders of LIKE."""
    return Condition(f"{column} LIKE ?", [f"{text}%"])


def at_least(column: str, least: float) -> Condition:
    """Return that to have a value from this one on."""
    return Condition(f"{column} >= ?", [least])


def below(column: str, end: float) -> Condition:
    """Return that to have a value before this one."""
    return Condition(f"{column} < ?", [end])


def within(column: str, least: float | None, most: float | None) -> list[Condition]:
    """Return those to have a value in a range, both ends included; None: it has no such end."""
    conditions = [at_least(column, least)] if least is not None else []
    return conditions + ([Condition(f"{column} <= ?", [most])] if most is not None else [])


def all_of(conditions: Sequence[Condition]) -> Condition:
    """Return that to fulfil each of these."""
    return _joined(" AND ", conditions)


def any_of(conditions: Sequence[Condition]) -> Condition:
    """Return that to fulfil one of these."""
    text, values = _joined(" OR ", conditions)
    return Condition(f"({text})", values)


def _joined(word: str, conditions: Sequence[Condition]) -> Condition:
    values = [value for condition in conditions for value in condition.values]
    return Condition(word.join(condition.text for condition in conditions), values)
