"""Makes the tables, and brings those of an older version up to date: in one transaction, so wholly or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from otp_app.core.policy import DAY
from otp_app.history import attempt_counts, later_messages
from otp_app.history.database import Session, unavailable
from otp_app.history.schema import MARK, MARKS

VERSION = 2  # of the tables; 1 had no attempts and left no mark
_NAME = "version"


def migrate(session: Session, statements: Iterable[str], take_time: Callable[[], None] = lambda: None) -> None:
    """Bring the tables to VERSION by the statements of the schema.

    `take_time` is called before work that may last for minutes. Raises StoreUnavailable for tables of a newer
    version, whose counts this one would spoil.
    """
    session.change(MARKS)
    version = _version(session)
    if version > VERSION:
        raise unavailable("a newer version of otp_app keeps it")
    if version < VERSION:
        take_time()
    for statement in statements:
        session.change(statement)
    if version < VERSION:
        _count_all(session)
        session.change(MARK, (_NAME, VERSION))


def require_version(session: Session) -> None:
    """Raise StoreUnavailable where the tables have another version."""
    version = _version(session)
    if version != VERSION:
        reason = "an older version of otp_app kept it: a server of this one prepares it when it starts"
        raise unavailable(reason if version < VERSION else "a newer version of otp_app keeps it")


def _version(session: Session) -> int:
    return int(dict(session.rows("SELECT name, at FROM otp_history_marks WHERE name = ?", (_NAME,))).get(_NAME, 1))


def _count_all(session: Session) -> None:
    """Count day by day what is there."""
    session.change("DELETE FROM otp_history_attempts")
    session.change("DELETE FROM otp_history_later")
    query, begun = "SELECT MIN(begun) FROM otp_history WHERE begun >= ?", 0.0
    while (first := session.rows(query, (begun,))[0][0]) is not None:
        day = int(first // DAY)
        attempt_counts.count_day(session, day)
        later_messages.note_day(session, day)
        begun = (day + 1) * DAY
