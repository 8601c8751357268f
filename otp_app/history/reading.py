"""Answers from the history: sums by day and kind, and the rows of a number. Nothing here changes or makes anything,
but for `erase`.
"""  # fmt: skip

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple

from otp_app.core.endings import Kind
from otp_app.core.policy import DAY
from otp_app.history.database import Database, NotBegunError, Session
from otp_app.history.rows import KEY, Numbers, Row, messages_in, tags_in
from otp_app.history.schema import COLUMNS, MEASURES
from otp_app.history.totals import DIMENSIONS
from otp_app.history.writing import erase

BY_DAY = "day"
BY = (BY_DAY, *(name for name in DIMENSIONS if name))

MOST_SEARCHED = 100_000  # rows, for the name of a message at its provider

_COLUMNS = ", ".join(COLUMNS)
_SUMS = ", ".join(f"SUM({name})" for name in MEASURES)


class Sums(NamedTuple):
    """What was counted of one value, such as a country."""

    total: int
    sent: int  # a message left, or may have
    delivered: int  # one was on the phone
    approved: int
    failed: int  # no message left, or a notification that did not arrive
    messages: int
    attempts: int  # wrong codes
    delivery_seconds: float  # of all that were delivered
    approval_seconds: float  # of all that were approved

    @property
    def conversion(self) -> float | None:
        """The share of those sent that were approved; None without any."""
        return self.approved / self.sent if self.sent else None

    @property
    def seconds_to_delivery(self) -> float | None:
        """The mean."""
        return self.delivery_seconds / self.delivered if self.delivered else None

    @property
    def seconds_to_approval(self) -> float | None:
        """The mean."""
        return self.approval_seconds / self.approved if self.approved else None


class Reader:
    """Reads a history; in one that has not begun it finds nothing. Its methods raise StoreUnavailable."""

    def __init__(self, database: Database, numbers: Numbers) -> None:
        self._database, self._numbers = database, numbers

    def sums(self, kind: Kind, by: str, since: float) -> list[tuple[str, Sums]]:
        """Return the sums by one of BY, of the days from that of `since` (wall clock, seconds) on: by day the oldest
        first, else the most first. A day is that in UTC in which a verification began, as days since 1970.
        """  # fmt: skip
        column, dimension = ("day", "") if by == BY_DAY else ("value", by)
        query = (
            f"SELECT {column}, {_SUMS} FROM otp_history_totals WHERE day >= ? AND kind = ? AND dimension = ? "
            f"GROUP BY {column}"
        )
        rows: list[tuple[Any, ...]] = []
        with suppress(NotBegunError), self._database.reading() as session:
            rows = session.rows(query, (int(since // DAY), str(kind), dimension))
        found = [(str(value), _sums(values)) for value, *values in rows]
        found = [(value, sums) for value, sums in found if sums.total]
        return sorted(found, key=lambda pair: int(pair[0]) if by == BY_DAY else -pair[1].total)

    def has_begun(self) -> bool:
        """Return whether a server has begun to keep it."""
        with suppress(NotBegunError), self._database.reading() as session:
            return bool(session.rows("SELECT count(*) FROM otp_history_marks"))
        return False

    def is_of_other_key(self) -> bool:
        """Return whether it was kept, and never with this key: then no number is found in it."""
        with suppress(NotBegunError), self._database.reading() as session:
            found = session.rows("SELECT name FROM otp_history_marks WHERE name LIKE ?", (f"{KEY}%",))
            return bool(found) and (self._numbers.mark,) not in found
        return False

    def of_number(self, phone: str, most: int = 2**31) -> list[Row]:
        """Return at most so many rows of a number (E.164), the newest first."""
        with suppress(NotBegunError), self._database.reading() as session:
            return _rows(session, "number = ? ORDER BY begun DESC LIMIT ?", self._numbers.name(phone), most)
        return []

    def by_id(self, id_: str) -> Row | None:
        """Return the row of a verification or notification."""
        with suppress(NotBegunError), self._database.reading() as session:
            return next(iter(_rows(session, "id = ?", id_)), None)
        return None

    def id_by_provider(self, provider_id: str) -> str:
        """Return the id of the verification or notification with a message of this name at its provider, "" without.

        Looks at the newest MOST_SEARCHED: an index of these names would cost each write more than a look now and then.
        """
        query = (
            "SELECT id FROM (SELECT id, messages FROM otp_history ORDER BY begun DESC LIMIT ?) AS newest "
            "WHERE messages LIKE ? LIMIT 1"
        )
        with suppress(NotBegunError), self._database.reading() as session:
            found = session.rows(query, (MOST_SEARCHED, f'%"{provider_id}"%'))
            return str(found[0][0]) if found else ""
        return ""

    def erase(self, phone: str, wall: float) -> int:
        """Delete the rows of a number and return how many there were; `wall`: now, see writing.erase."""
        return erase(self._database, self._numbers.name(phone), wall) if self.has_begun() else 0

    def close(self) -> None:
        """Close the database."""
        self._database.close()


def shown(row: Row) -> dict[str, Any]:
    """Return a row as JSON."""
    messages = [message._asdict() for message in messages_in(row.messages)]
    return row._asdict() | {"messages": messages, "tags": tags_in(row.tags)}


def _sums(values: list[Any]) -> Sums:
    return Sums(*map(int, values[:-2]), *map(float, values[-2:]))


def _rows(session: Session, condition: str, *values: Any) -> list[Row]:
    return [Row._make(row) for row in session.rows(f"SELECT {_COLUMNS} FROM otp_history WHERE {condition}", values)]
