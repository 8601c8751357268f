"""Users and activity of another server: its tables `users` and `user_activity`, of which it may have only the first.

Nothing else of them is read, so no code either. Users who are here already are left as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import Connection, DateTime, String, column, exc, insert, inspect, select, table

from otp_app.accounts.database import Database, engine_of
from otp_app.accounts.errors import AccountsUnavailable
from otp_app.accounts.tables import activity, users
from otp_app.core.errors import InvalidPhone
from otp_app.core.phone import spelling

BATCH = 500  # rows
TRUE, FALSE = {"true", "t", "1"}, {"false", "f", "0", "none", ""}
THEIR_USERS: Any = select(column("phone_number", String), column("is_verified")).select_from(table("users"))
THEIR_ACTIVITY = select(
    column("phone_number", String), column("event_type", String), column("event_time", DateTime)
).select_from(table("user_activity"))
OUR_NUMBERS = select(users.c.phone_number)
ADD_USERS = insert(users).returning(users.c.id, users.c.phone_number)
ADD_ACTIVITY = insert(activity)


class Imported(NamedTuple):
    """How many rows there were of each kind."""

    users: int
    known: int  # users who were here already, or came twice
    unreadable: int  # users whose number is none
    activity: int


def import_accounts(source: str, target: str, now: int) -> Imported:
    """Copy users and activity from the database of one URL into that of another, all of it or nothing.

    Raises ValueError for a URL or a truth value that is none, AccountsUnavailable.
    """
    theirs, database = engine_of(source, is_ours=False), Database(target)
    try:
        with database.writing() as ours, theirs.connect() as reading:
            return _import(reading, ours, now)
    except exc.SQLAlchemyError as error:
        raise AccountsUnavailable.because(type(error).__name__) from error
    finally:
        database.close()
        theirs.dispose()


def _import(theirs: Connection, ours: Connection, now: int) -> Imported:
    seen = set(ours.execute(OUR_NUMBERS).scalars())
    ids: dict[str, int] = {}
    known = unreadable = 0
    for batch in _batches(theirs, THEIR_USERS):
        read = [(phone, is_verified) for number, is_verified in batch if (phone := _spelled(number))]
        new = {phone: _user(phone, is_verified, now) for phone, is_verified in read if phone not in seen}
        unreadable += len(batch) - len(read)
        known += len(read) - len(new)
        seen |= new.keys()
        if new:
            ids |= {phone: user_id for user_id, phone in ours.execute(ADD_USERS, list(new.values()))}
    return Imported(len(ids), known, unreadable, _import_activity(theirs, ours, ids))


def _import_activity(theirs: Connection, ours: Connection, ids: dict[str, int]) -> int:
    if not inspect(theirs).has_table("user_activity"):
        return 0
    count = 0
    for rows in _batches(theirs, THEIR_ACTIVITY):
        notes = [
            {"user_id": ids[phone], "event": event[:32], "at": _seconds(at)}
            for number, event, at in rows
            if event and at and (phone := _spelled(number)) in ids
        ]
        if notes:
            ours.execute(ADD_ACTIVITY, notes)
        count += len(notes)
    return count


def _batches(theirs: Connection, statement: Any) -> Iterator[list[Any]]:
    rows = iter(theirs.execution_options(yield_per=BATCH).execute(statement))
    while batch := list(islice(rows, BATCH)):
        yield batch


def _user(phone: str, is_verified: object, now: int) -> dict[str, Any]:
    return {"phone_number": phone, "name": "", "email": "", "is_verified": _read(is_verified), "created_at": now}


def _read(is_verified: object) -> bool:
    """Read a truth value; SQLite also has the texts that an export of PostgreSQL has. Raises ValueError."""
    said = str(is_verified).lower()
    if said not in TRUE | FALSE:
        raise ValueError("is_verified of a user is neither true nor false: nothing was copied")
    return said in TRUE


def _spelled(number: object) -> str | None:
    try:
        return spelling(number if isinstance(number, str) else "")
    except InvalidPhone:
        return None


def _seconds(at: datetime) -> int:
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
