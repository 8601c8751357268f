"""The users of the shop, in SQLite. A phone has one user at most, and so has a name."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import Any

from otp_app.core.events import Approval

SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    id INTEGER PRIMARY KEY,
    phone TEXT NOT NULL UNIQUE,          -- E.164; the user has verified it
    username TEXT UNIQUE COLLATE NOCASE, -- NULL: this user logs in by phone alone
    email TEXT,
    password TEXT                        -- a hash
)
"""


def create_user(approval: Approval) -> None:
    """Create the user of a verified phone, unless there is one. Set OTP_ON_APPROVED=accounts:create_user."""
    with closing(_open()) as database:
        database.execute("INSERT INTO users (phone) VALUES (?) ON CONFLICT (phone) DO NOTHING", (approval.phone,))


def register(phone: str, username: str, email: str, password: str) -> bool:
    """Create the named user of a verified phone, unless the phone or the name is taken. The password is a hash."""
    statement = """
        INSERT INTO users (phone, username, email, password) VALUES (?, ?, ?, ?)
        ON CONFLICT (phone) DO UPDATE SET username = excluded.username, email = excluded.email,
                                          password = excluded.password
        WHERE users.username IS NULL
    """
    with closing(_open()) as database:
        try:
            return database.execute(statement, (phone, username, email, password)).rowcount == 1
        except sqlite3.IntegrityError:  # another request has just taken the name
            return False


def is_taken(username: str) -> bool:
    """Whether a user has this name."""
    with closing(_open()) as database:
        return database.execute("SELECT 1 FROM users WHERE username = ?", (username,)).fetchone() is not None


def with_phone(phone: str) -> Any:
    """Return the user of a phone, None where there is none."""
    with closing(_open()) as database:
        return database.execute("SELECT id, username FROM users WHERE phone = ?", (phone,)).fetchone()


def with_id(user_id: int) -> Any:
    """Return a user, None where it is gone."""
    with closing(_open()) as database:
        return database.execute("SELECT id, username FROM users WHERE id = ?", (user_id,)).fetchone()


def _open() -> sqlite3.Connection:
    database = sqlite3.connect(os.environ.get("SHOP_DATABASE", "shop.db"), timeout=3, isolation_level=None)
    database.row_factory = sqlite3.Row
    database.execute(SCHEMA)
    return database
