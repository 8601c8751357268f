"""What rows add to the totals of their day: by country, channel, class of error, and so on."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import TypeVar

from otp_app.core.delivery import Outcome
from otp_app.core.endings import REFUSED
from otp_app.core.ledger import Status
from otp_app.core.notification import Status as Notified
from otp_app.core.policy import DAY
from otp_app.history.rows import Row

#: the dimensions, and the column of each; the first one is all rows
DIMENSIONS = {
    "": "", "country": "country", "channel": "channel", "error": "error", "purpose": "subject", "outcome": "outcome",
    "key": "key_name", "api": "api",
}
PAIR = "country channel"  # a dimension of two values
_SEPARATOR = "\n"  # between them; neither can have it
_FAILED = frozenset({REFUSED, Notified.FAILED, Notified.UNDELIVERED})

Key = TypeVar("Key")

_group = attrgetter("kind", *(column for column in DIMENSIONS.values() if column))
_names = ("kind", *(name for name in DIMENSIONS if name))

def changes(new: Iterable[Row], gone: Iterable[Row]) -> list[tuple[object, ...]]:
    """Return what is to be added to the totals, where these rows come and those go: for schema.ADD."""
    sums: dict[tuple[int, str, str, str], list[float]] = {}
    for group, measures in _grouped(new, gone).items():
        day, of = group[0], dict(zip(_names, group[1:], strict=True))
        kind, values = of.pop("kind"), [("", ""), *of.items(), (PAIR, f"{of['country']}{_SEPARATOR}{of['channel']}")]
        for dimension, value in values:
            _add(sums, (day, kind, dimension, value), measures)
    return [(*key, *map(_whole, values)) for key, values in sorted(sums.items()) if any(values)]


def pair(value: str) -> tuple[str, str]:
    """Return the two values of which one of PAIR is made."""
    first, _, second = value.partition(_SEPARATOR)
    return first, second


def _grouped(new: Iterable[Row], gone: Iterable[Row]) -> dict[tuple[int, *tuple[str, ...]], list[float]]:
    """Return the sums of rows that are alike in all dimensions, of which a busy minute has few kinds."""
    sums: dict[tuple[int, *tuple[str, ...]], list[float]] = {}
    for sign, rows in ((1, new), (-1, gone)):
        for row in rows:
            key = (int(row.begun // DAY), *_group(row))
            measures = _measures(row, sign)
            _add(sums, key, measures)
    return sums


def _add(sums: dict[Key, list[float]], key: Key, measures: list[float]) -> None:
    there = sums.get(key)
    sums[key] = measures if there is None else [a + b for a, b in zip(there, measures, strict=True)]


def _measures(row: Row, sign: int) -> list[float]:
    delivered, approved = row.delivered_after, row.approved_after
    return [
        sign, sign * (row.delivery not in ("", Outcome.REFUSED)), sign * (delivered is not None),
        sign * (row.outcome == Status.APPROVED), sign * (row.outcome in _FAILED), sign * row.sends,
        sign * row.attempts, sign * (delivered or 0.0), sign * (approved or 0.0),
    ]


def _whole(value: float) -> float | int:
    return int(value) if value == int(value) else round(value, 3)
