"""What Verify's Summary reads: for each day, how many verifications are alike in all that it can be asked for.

Each is counted twice: with the prefix of its number, and with "" for questions that name none. Those of which no
message left are not counted. An erased verification is not counted any more, as its attempts cannot be listed either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from otp_app.core.endings import Kind
from otp_app.core.policy import DAY
from otp_app.history.database import Session
from otp_app.history.rows import Row
from otp_app.history.schema import ADD_ATTEMPTS, ALIKE

_REMOVE = (
    f"DELETE FROM otp_history_attempts WHERE {' AND '.join(f'{column} = ?' for column in ALIKE)} AND verifications = 0"
)
_COUNTED = "kind = ? AND channels <> '' AND begun >= ? AND begun < ?"


class Alike(NamedTuple):
    """What verifications have in common; the order is that of schema.ALIKE."""

    subject: str
    prefix: str
    day: int
    country: str
    channels: str
    outcome: str


def change(session: Session, new: Iterable[Row], gone: Iterable[Row]) -> None:
    """Count the rows that come, and those that go no more."""
    counts = Counter[Alike]()
    for sign, rows in ((1, new), (-1, gone)):
        for row in rows:
            for alike in _of(row):
                counts[alike] += sign
    add(session, counts)


def add(session: Session, counts: Counter[Alike]) -> None:
    """Add to what is counted."""
    changes = sorted((*alike, count) for alike, count in counts.items() if count)
    if changes:
        session.many(ADD_ATTEMPTS, changes)
    if fewer := [alike for *alike, count in changes if count < 0]:
        session.many(_REMOVE, fewer)


def count_day(session: Session, day: int) -> None:
    """Count the rows of a day, of which none is counted yet."""
    query = (
        "SELECT subject, prefix, country, channels, outcome, COUNT(*) FROM otp_history "
        f"WHERE {_COUNTED} GROUP BY subject, prefix, country, channels, outcome"
    )
    counts = Counter[Alike]()
    for subject, prefix, *rest, count in session.rows(query, (str(Kind.VERIFICATION), day * DAY, (day + 1) * DAY)):
        for name in {prefix, ""}:
            counts[Alike(subject, name, day, *rest)] += count
    add(session, counts)


def _of(row: Row) -> Iterator[Alike]:
    if row.kind == Kind.VERIFICATION and row.channels:
        for name in {row.prefix, ""}:
            yield Alike(row.subject, name, int(row.begun // DAY), row.country, row.channels, row.outcome)
