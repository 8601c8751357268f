"""What others tell of a user."""

from __future__ import annotations

from otp_app.accounts import statements as sql
from otp_app.accounts.database import Database
from otp_app.core.phone import spelling

SENT = "code_sent"


def note_sent(database: Database, phone_number: str, at: int) -> None:
    """Note, once, that a code was sent to a user; nothing where the number belongs to none. `at`: the time of it, which
    distinguishes one code from another, in seconds since the epoch.

    Raises InvalidPhone, AccountsUnavailable.
    """
    with database.writing() as db:
        user_id = db.execute(sql.HELD_USER, {"phone": spelling(phone_number)}).scalar()
        if user_id is None or db.execute(sql.NOTED, {"of_user": user_id, "of_event": SENT, "of_at": at}).first():
            return
        db.execute(sql.NOTE, {"user_id": user_id, "event": SENT, "at": at})
