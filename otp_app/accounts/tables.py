"""The tables. A migration makes them; a test compares both.

Times are whole seconds since the epoch. What belongs to a user is deleted with the user.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, MetaData, String, Table

VERSIONS = "accounts_version"  # which migration the tables have; Alembic keeps it
NEWEST = "0001"

_ID = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only what it calls INTEGER

metadata = MetaData()

#: A user who is not verified has asked for a code and never shown it: for all but a sign-up there is no such user.
users = Table(
    "accounts_users",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("phone_number", String(16), nullable=False, unique=True),  # E.164
    Column("name", String(100), nullable=False),  # "": none
    Column("email", String(254), nullable=False),  # "": none
    Column("is_verified", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

sessions = Table(
    "accounts_sessions",
    metadata,
    Column("id", String(34), primary_key=True),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("user_id", _ID, ForeignKey("accounts_users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

activity = Table(
    "accounts_activity",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("user_id", _ID, ForeignKey("accounts_users.id", ondelete="CASCADE"), nullable=False),
    Column("event", String(32), nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("ix_accounts_activity_user_id_at", "user_id", "at"),
)
