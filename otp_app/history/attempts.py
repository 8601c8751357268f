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
from otp_app.history.conditions import (
    Condition,
    all_of,
    any_of,
    at_least,
    begins_with,
    below,
    equals,
    is_any_of,
    within,
)
from otp_app.history.database import Database, NotBegunError, Session
from otp_app.history.later_messages import piece
from otp_app.history.migrating import require_version
from otp_app.history.rows import Numbers, Row, messages_in
from otp_app.history.schema import COLUMNS

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
        places = [equals("substr(message, 3, 8)", wanted), *(equals("id", id_) for (id_,) in later)]
        for place in places:
            condition, values = self._condition(Filter(purposes), place, is_narrow=True)
            yield from map(Row._make, session.rows(f"SELECT {_COLUMNS} FROM otp_history WHERE {condition}", values))

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        with self._database.reading() as session:
            require_version(session)
            yield session

    def _summary(self, session: Session, wanted: Filter) -> Summary:
        """Count in groups the verifications whose messages are all within the time, and one by one those of others.

        Those began shortly before the time or shortly before its end, so some of their messages may be outside of it.
        """
        after, before = wanted.after, wanted.before
        last = before - LONGEST_LIFE if before is not None else None  # what began later may have messages after the end
        whole = _sum(self._groups(session, wanted._replace(before=last)), wanted.channels)
        rows: list[Row] = []
        if after is not None:
            rows += (row for row in self._rows(session, wanted, after - LONGEST_LIFE, after) if row.begun < after)
        if last is not None:
            first = last if after is None else max(last, after)
            rows += (row for row in self._rows(session, wanted, first, before) if row.begun > last)
        partly = [attempt for row in rows for attempt in _attempts(row) if wanted.fits(attempt)]
        converted = sum(attempt.is_converted for attempt in partly)
        return Summary(whole.total + len(partly), whole.converted + converted)

    def _groups(self, session: Session, wanted: Filter) -> list[_Group]:
        """Return the groups of verifications that began within the time: of whole days as they are counted."""
        after, before = wanted.after, wanted.before
        first = -int(-after // DAY) if after is not None else None  # whole day, as is each one before `end`
        end = int(before // DAY) if before is not None else None
        if _is_narrow(wanted) or (first is not None and end is not None and first >= end):
            return self._groups_of_rows(session, wanted, *within("begun", after, before))
        groups = self._groups_of_days(session, wanted, first, end)
        if after is not None and first is not None:
            groups += self._groups_of_rows(session, wanted, at_least("begun", after), below("begun", first * DAY))
        if before is not None and end is not None:
            groups += self._groups_of_rows(session, wanted, *within("begun", end * DAY, before))
        return groups

    def _groups_of_rows(self, session: Session, wanted: Filter, *further: Condition) -> list[_Group]:
        condition, values = self._condition(wanted, *further)
        query = f"SELECT channels, outcome, COUNT(*) FROM otp_history WHERE {condition} GROUP BY channels, outcome"
        return session.rows(query, values)

    def _groups_of_days(self, session: Session, wanted: Filter, first: int | None, end: int | None) -> list[_Group]:
        conditions = [is_any_of("subject", wanted.purposes)]
        conditions += [begins_with("prefix", wanted.prefix) if wanted.prefix else equals("prefix", "")]
        conditions += [at_least("day", first)] if first is not None else []
        conditions += [below("day", end)] if end is not None else []
        conditions += [equals("country", wanted.country)] if wanted.country else []
        condition, values = all_of(conditions)
        query = (
            f"SELECT channels, outcome, SUM(verifications) FROM otp_history_attempts WHERE {condition} "
            "GROUP BY channels, outcome"
        )
        return session.rows(query, values)

    def _all(self, session: Session, wanted: Filter, behind: Place | None) -> Iterator[Attempt]:
        least = wanted.after - LONGEST_LIFE if wanted.after is not None else None
        if behind:
            condition, values = self._condition(wanted, equals("id", behind.verification_id), is_narrow=True)
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
            further = [Condition("(begun < ? OR id < ?)", last)] if last else []
            begun = within("begun", least, last[0] if last else most)
            condition, values = self._condition(wanted, *begun, *further)
            query = f"SELECT {_COLUMNS} FROM otp_history WHERE {condition} ORDER BY begun DESC, id DESC LIMIT ?"
            rows = [Row._make(row) for row in session.rows(query, (*values, size))]
            yield from rows
            if len(rows) < size:
                return
            last, size = (rows[-1].begun, rows[-1].id), size * 2

    def _condition(self, wanted: Filter, *further: Condition, is_narrow: bool = False) -> Condition:
        """Return the condition of the rows of a filter that fulfil these further ones too."""
        # SQLite would take the index of purposes, which has all rows, before the one of a number, which has a few.
        column = "subject || ''" if is_narrow or _is_narrow(wanted) else "subject"
        conditions = [equals("kind", str(Kind.VERIFICATION)), is_any_of(column, wanted.purposes)]
        conditions += [equals("number", self._numbers.name(wanted.phone))] if wanted.phone else []
        conditions += [equals("country", wanted.country)] if wanted.country else []
        conditions += [begins_with("prefix", wanted.prefix)] if wanted.prefix else []
        conditions += [equals("id", wanted.verification_id)] if wanted.verification_id else []
        return all_of([*conditions, *_of_messages(wanted), *further])


def _is_narrow(wanted: Filter) -> bool:
    """Return whether only a few rows can fit, which have an index."""
    return bool(wanted.phone or wanted.verification_id)


def _of_messages(wanted: Filter) -> list[Condition]:
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
        return [_are_like(any_one)]
    if wanted.converted:
        return [equals("outcome", str(Status.APPROVED)), _are_like(last)]
    is_unconverted = all_of([Condition("outcome <> ?", [str(Status.APPROVED)]), _are_like(any_one)])
    return [any_of([_are_like(others), is_unconverted])]


def _are_like(patterns: Collection[str]) -> Condition:
    return any_of([Condition("channels LIKE ?", [pattern]) for pattern in patterns])


def _sum(groups: Iterable[_Group], wanted_channels: Collection[str]) -> Summary:
    total = converted = 0
    for channels, outcome, count in groups:
        fitting = [not wanted_channels or name in wanted_channels for name in channels.split(",") if name]
        total += int(count) * sum(fitting)
        converted += int(count) * (outcome == Status.APPROVED and fitting[-1:] == [True])
    return Summary(total, converted)


def _attempts(row: Row) -> list[Attempt]:
    """Return those of a verification, the newest first."""
    left = [message for message in messages_in(row.messages) if message.has_left]
    last = left[-1].id if left and row.outcome == Status.APPROVED else ""
    return [Attempt(row, message, message.id == last) for message in reversed(left)]


def _behind(attempts: list[Attempt], message_id: str) -> list[Attempt]:
    ids = [attempt.message.id for attempt in attempts]
    return attempts[ids.index(message_id) + 1 :] if message_id in ids else attempts
