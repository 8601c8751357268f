"""The messages of verifications, each an attempt to convert: listed page by page, and counted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from heapq import merge
from itertools import islice
from typing import Any, NamedTuple

from otp_app.core.endings import Kind, Message
from otp_app.core.ledger import Status
from otp_app.core.policy import DAY
from otp_app.history.database import Database, NotBegunError, Session
from otp_app.history.later_messages import piece
from otp_app.history.migrating import require_version
from otp_app.history.rows import Numbers, Row, messages_in
from otp_app.history.schema import COLUMNS, marks

FIRST, AT_ONCE = 32, 500  # rows of the first look, and of the largest one
LONGEST_LIFE = 600.0  # seconds in which a verification has all its messages

_COLUMNS = ", ".join(COLUMNS)
_Group = tuple[Any, ...]  # channels and outcome of verifications, and how many there are


class Filter(NamedTuple):
    """Which attempts are wanted: all that is given must fit."""

    purposes: Collection[str]
    after: float | None = None  # wall clock, seconds
    before: float | None = None
    phone: str = ""  # E.164
    country: str = ""
    prefix: str = ""  # the beginning of the number, as far as a row has it
    channels: Collection[str] = ()
    verification_id: str = ""
    converted: bool | None = None

    def fits(self, attempt: Attempt) -> bool:
        """Return whether an attempt fits that is of a fitting verification."""
        at, channel = attempt.message.at, attempt.message.channel
        is_in_time = (self.after is None or at >= self.after) and (self.before is None or at <= self.before)
        return is_in_time and (not self.channels or channel in self.channels) and (
            self.converted is None or attempt.is_converted == self.converted
        )


class Attempt(NamedTuple):
    """A message that left, or may have, and the row of its verification."""

    row: Row
    message: Message
    is_converted: bool  # its code was entered: it is the last one of a verification that was approved


class Place(NamedTuple):
    """Behind which attempt a page begins."""

    begun: float
    verification_id: str
    message_id: str


class Summary(NamedTuple):
    """How many attempts there were."""

    total: int
    converted: int


class Attempts:
    """Reads attempts. Its methods raise StoreUnavailable; before a history has begun there are none."""

    def __init__(self, database: Database, numbers: Numbers) -> None:
        self._database, self._numbers = database, numbers

    def page(self, wanted: Filter, size: int, behind: Place | None = None, skip: int = 0) -> list[Attempt]:
        """Return at most `size` attempts, the newest first, without the first `skip`."""
        with suppress(NotBegunError), self._reading() as session:
            return list(islice(self._all(session, wanted, behind), skip, skip + size))
        return []

    def find(self, purposes: Collection[str], message_id: str) -> Attempt | None:
        """Return the attempt with this id."""
        with suppress(NotBegunError), self._reading() as session:
            for row in self._rows_of_message(session, purposes, piece(message_id)):
                for attempt in _attempts(row):
                    if attempt.message.id == message_id:
                        return attempt
        return None

    def summary(self, wanted: Filter) -> Summary:
        """Return how many attempts fit, and how many of them converted. `converted` is not asked for."""
        with suppress(NotBegunError), self._reading() as session:
            return self._summary(session, wanted._replace(converted=None))
        return Summary(0, 0)

    def _rows_of_message(self, session: Session, purposes: Collection[str], wanted: str) -> Iterator[Row]:
        """Yield the rows of which a message may be the one with this piece of its id."""
        later = session.rows("SELECT id FROM otp_history_later WHERE piece = ?", (wanted,))
        for place, value in [("substr(message, 3, 8) = ?", wanted), *(("id = ?", id_) for (id_,) in later)]:
            condition, values = self._condition(Filter(purposes), place, value, is_narrow=True)
            yield from map(Row._make, session.rows(f"SELECT {_COLUMNS} FROM otp_history WHERE {condition}", values))

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        with self._database.reading() as session:
            require_version(session)
            yield session

    def _summary(self, session: Session, wanted: Filter) -> Summary:
        """Count groups of rows that are alike; those of which a message may be outside of the time one by one."""
        after, before = wanted.after, wanted.before
        last = before - LONGEST_LIFE if before is not None else None
        summary = _sum(self._groups(session, wanted._replace(before=last)), wanted.channels)
        at_borders: list[Attempt] = []
        if after is not None:
            rows = self._rows(session, wanted, after - LONGEST_LIFE, after)
            at_borders += [attempt for row in rows if row.begun < after for attempt in _attempts(row)]
        if before is not None and last is not None:
            rows = self._rows(session, wanted, last if after is None else max(last, after), before)
            is_counted = after is None or last >= after  # what began in that very moment
            at_borders += [a for row in rows if row.begun != last or not is_counted for a in _attempts(row)]
        fitting = [attempt for attempt in at_borders if wanted.fits(attempt)]
        converted = sum(attempt.is_converted for attempt in fitting)
        return Summary(summary.total + len(fitting), summary.converted + converted)

    def _groups(self, session: Session, wanted: Filter) -> list[_Group]:
        """Return the groups of verifications that began within the time: of whole days as they are counted."""
        after, before = wanted.after, wanted.before
        first = -int(-after // DAY) if after is not None else None
        end = int(before // DAY) if before is not None else None  # the day that is not whole
        if _is_narrow(wanted) or (first is not None and end is not None and first >= end):
            return self._groups_of_rows(session, wanted, *_within(after, before))
        groups = self._groups_of_days(session, wanted, first, end)
        if after is not None and first is not None:
            groups += self._groups_of_rows(session, wanted, "begun >= ?", after, "begun < ?", first * DAY)
        if before is not None and end is not None:
            groups += self._groups_of_rows(session, wanted, *_within(end * DAY, before))
        return groups

    def _groups_of_rows(self, session: Session, wanted: Filter, *further: Any) -> list[_Group]:
        condition, values = self._condition(wanted, *further)
        query = f"SELECT channels, outcome, COUNT(*) FROM otp_history WHERE {condition} GROUP BY channels, outcome"
        return session.rows(query, values)

    def _groups_of_days(self, session: Session, wanted: Filter, first: int | None, end: int | None) -> list[_Group]:
        purposes = list(wanted.purposes)
        condition, values = _put_together([
            *([f"subject IN ({marks(len(purposes))})", *purposes] if purposes else ["1 = 0"]),
            *(["prefix LIKE ?", f"{wanted.prefix}%"] if wanted.prefix else ["prefix = ''"]),
            *(["day >= ?", first] if first is not None else []), *(["day < ?", end] if end is not None else []),
            *(["country = ?", wanted.country] if wanted.country else []),
        ])  # fmt: skip
        query = (
            f"SELECT channels, outcome, SUM(verifications) FROM otp_history_attempts WHERE {condition} "
            "GROUP BY channels, outcome"
        )
        return session.rows(query, values)

    def _all(self, session: Session, wanted: Filter, behind: Place | None) -> Iterator[Attempt]:
        least = wanted.after - LONGEST_LIFE if wanted.after is not None else None
        if behind:
            condition, values = self._condition(wanted, "id = ?", behind.verification_id, is_narrow=True)
            query = f"SELECT {_COLUMNS} FROM otp_history WHERE {condition}"
            for row in session.rows(query, values):  # none of another purpose: clients write what is in a place
                yield from filter(wanted.fits, _behind(_attempts(Row._make(row)), behind.message_id))
        for row in self._rows(session, wanted, least, wanted.before, behind):
            yield from filter(wanted.fits, _attempts(row))

    def _rows(
        self, session: Session, wanted: Filter, least: float | None, most: float | None, behind: Place | None = None
    ) -> Iterator[Row]:
        """Yield the rows that began in this time, the newest first."""
        # Of each purpose an index has the rows in this order; of several together the database would sort them all.
        each = [wanted._replace(purposes=[name]) for name in wanted.purposes] if not _is_narrow(wanted) else [wanted]
        parts = [self._rows_of_one(session, one, least, most, behind) for one in each]
        return merge(*parts, key=lambda row: (row.begun, row.id), reverse=True)

    def _rows_of_one(
        self, session: Session, wanted: Filter, least: float | None, most: float | None, behind: Place | None
    ) -> Iterator[Row]:
        last, size = (behind.begun, behind.verification_id) if behind else None, FIRST
        while True:
            size = min(size, AT_ONCE)
            further = ("(begun < ? OR id < ?)", *last) if last else ()
            begun = _within(least, last[0] if last else most)
            condition, values = self._condition(wanted, *begun, *further)
            query = f"SELECT {_COLUMNS} FROM otp_history WHERE {condition} ORDER BY begun DESC, id DESC LIMIT ?"
            rows = [Row._make(row) for row in session.rows(query, (*values, size))]
            yield from rows
            if len(rows) < size:
                return
            last, size = (rows[-1].begun, rows[-1].id), size * 2

    def _condition(self, wanted: Filter, *further: Any, is_narrow: bool = False) -> tuple[str, list[Any]]:
        """Return the condition of rows. `further`: texts, each followed by as many values as it has marks."""
        purposes = list(wanted.purposes)
        conditions: list[Any] = ["kind = ?", str(Kind.VERIFICATION)]
        # SQLite would take the index of purposes, which has all rows, before the one of a number, which has a few.
        column = "subject || ''" if is_narrow or _is_narrow(wanted) else "subject"
        conditions += [f"{column} IN ({marks(len(purposes))})", *purposes] if purposes else ["1 = 0"]
        conditions += ["number = ?", self._numbers.name(wanted.phone)] if wanted.phone else []
        conditions += ["country = ?", wanted.country] if wanted.country else []
        conditions += ["prefix LIKE ?", f"{wanted.prefix}%"] if wanted.prefix else []
        conditions += ["id = ?", wanted.verification_id] if wanted.verification_id else []
        conditions += _of_messages(wanted)
        return _put_together([*conditions, *further])


def _is_narrow(wanted: Filter) -> bool:
    """Return whether only a few rows can fit, which have an index."""
    return bool(wanted.phone or wanted.verification_id)


def _of_messages(wanted: Filter) -> list[Any]:
    """Return the condition of rows with a message that fits, as their channels and outcome tell.

    An index has both: of rows that do not fit, the messages are not read.
    """
    if wanted.converted is None and not wanted.channels:
        return []
    any_one, last, others = ([], [], []) if wanted.channels else (["_%"], ["_%"], ["%,%"])
    for name in wanted.channels:
        any_one += [name, f"{name},%", f"%,{name}", f"%,{name},%"]
        last += [name, f"%,{name}"]
        others += [f"{name},%", f"%,{name},%"]
    if wanted.converted is None:
        return [_is_like(any_one), *any_one]
    if wanted.converted:
        return [f"outcome = ? AND {_is_like(last)}", str(Status.APPROVED), *last]
    return [f"({_is_like(others)} OR (outcome <> ? AND {_is_like(any_one)}))", *others, str(Status.APPROVED), *any_one]


def _is_like(patterns: Collection[str]) -> str:
    return f"({' OR '.join(['channels LIKE ?'] * len(patterns))})"


def _sum(groups: Iterable[_Group], wanted_channels: Collection[str]) -> Summary:
    total = converted = 0
    for channels, outcome, count in groups:
        fitting = [not wanted_channels or name in wanted_channels for name in channels.split(",") if name]
        total += int(count) * sum(fitting)
        converted += int(count) * (outcome == Status.APPROVED and fitting[-1:] == [True])
    return Summary(total, converted)


def _within(least: float | None, most: float | None) -> list[Any]:
    return [*(["begun >= ?", least] if least is not None else []), *(["begun <= ?", most] if most is not None else [])]


def _put_together(conditions: list[Any]) -> tuple[str, list[Any]]:
    texts, values, left = [], [], 0
    for part in conditions:
        if left:
            values.append(part)
            left -= 1
        else:
            texts.append(part)
            left = part.count("?")
    return " AND ".join(texts), values


def _attempts(row: Row) -> list[Attempt]:
    """Return those of a verification, the newest first."""
    left = [message for message in messages_in(row.messages) if message.has_left]
    last = left[-1].id if left and row.outcome == Status.APPROVED else ""
    return [Attempt(row, message, message.id == last) for message in reversed(left)]


def _behind(attempts: list[Attempt], message_id: str) -> list[Attempt]:
    ids = [attempt.message.id for attempt in attempts]
    return attempts[ids.index(message_id) + 1 :] if message_id in ids else attempts
