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
    """Return the condition that a column has this value."""
    return Condition(f"{column} = ?", [value])


def is_any_of(column: str, values: Collection[str]) -> Condition:
    """Return the condition that a column has one of these values. Without values, no row fulfils it."""
    return Condition(f"{column} IN ({marks(len(values))})", list(values)) if values else Condition("1 = 0")


def begins_with(column: str, text: str) -> Condition:
    """Return the condition that a column begins with this text, which has no wildcard of LIKE."""
    return Condition(f"{column} LIKE ?", [f"{text}%"])


def at_least(column: str, least: float) -> Condition:
    """Return the condition that a column has this value or a higher one."""
    return Condition(f"{column} >= ?", [least])


def below(column: str, end: float) -> Condition:
    """Return the condition that a column has a lower value."""
    return Condition(f"{column} < ?", [end])


def within(column: str, least: float | None, most: float | None) -> list[Condition]:
    """Return the conditions that a column is in a range, ends included. None: the range is open there."""
    conditions = [at_least(column, least)] if least is not None else []
    return conditions + ([Condition(f"{column} <= ?", [most])] if most is not None else [])


def all_of(conditions: Sequence[Condition]) -> Condition:
    """Return the condition that all of these are fulfilled."""
    return _joined(" AND ", conditions)


def any_of(conditions: Sequence[Condition]) -> Condition:
    """Return the condition that one of these is fulfilled."""
    text, values = _joined(" OR ", conditions)
    return Condition(f"({text})", values)


def _joined(word: str, conditions: Sequence[Condition]) -> Condition:
    values = [value for condition in conditions for value in condition.values]
    return Condition(word.join(condition.text for condition in conditions), values)
