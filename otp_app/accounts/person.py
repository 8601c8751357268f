"""All that the database of accounts has of one number."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from otp_app.accounts.database import Database
from otp_app.accounts.statements import ALL_NOTES, ALL_SESSIONS, ANY_USER, DELETE_USER, WHOLE_USER


def exist(url: str) -> bool:
    """Return whether accounts were ever kept in the database. Raises ValueError for a URL, AccountsUnavailable."""
    with closing(Database(url)) as database:
        return database.has_tables()


def stored(url: str, phone: str) -> dict[str, Any] | None:
    """Return the user of a number (E.164) with sessions and activity, but no tokens. Raises AccountsUnavailable."""
    with closing(Database(url)) as database, database.reading() as db:
        user = db.execute(WHOLE_USER, {"phone": phone}).mappings().one_or_none()
        if user is None:
            return None
        mine = {"of_user": user["id"]}
        sessions, activity = (db.execute(rows, mine).mappings().all() for rows in (ALL_SESSIONS, ALL_NOTES))
        return {**user, "sessions": [dict(row) for row in sessions], "activity": [dict(row) for row in activity]}


def erase(url: str, phone: str) -> bool:
    """Delete the user of a number with all that is theirs; return whether there was one. Raises AccountsUnavailable."""
    with closing(Database(url)) as database, database.writing() as db:
        user_id = db.execute(ANY_USER, {"phone": phone}).scalar()
        if user_id is not None:
            db.execute(DELETE_USER, {"of_id": user_id})
        return user_id is not None
