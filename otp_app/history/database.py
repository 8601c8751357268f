"""The database of a history: one that SQLite keeps in a file, or PostgreSQL on a server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from otp_app.core.errors import StoreUnavailable
from otp_app.plugins.loading import construct

DATABASES = {
    "sqlite": "otp_app.history.sqlite:SqliteDatabase",
    **dict.fromkeys(("postgresql", "postgres"), "otp_app.history.postgres:PostgresDatabase"),
}
LONGEST_NAME = 100  # of a fault, in the message


class Session(Protocol):
    """A transaction. Statements have `?` for each value."""

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows that a statement finds."""

    def change(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Return how many rows a statement has changed."""

    def many(self, statement: str, values: Iterable[Sequence[Any]]) -> None:
        """Execute a statement once for each of these."""


class Database(Protocol):
    """Opens transactions. Its methods raise StoreUnavailable, and may be called from any thread."""

    def writing(self) -> AbstractContextManager[Session]:
        """Begin a transaction that no other writer is in; the first one makes the tables."""

    def reading(self) -> AbstractContextManager[Session]:
        """Begin a transaction that changes nothing and makes nothing. Raises NotBegunError too."""

    def close(self) -> None:
        """Close what is open."""


class NotBegunError(Exception):
    """No server has begun to keep a history. `Database.reading` raises it, or its session does.

    Whoever reads suppresses it and finds nothing. A caller that has to tell this from an empty history asks
    reading.Reader.has_begun.
    """


def open_database(url: str) -> Database:
    """Return the database of a URL; it is reached when first used. Raises ValueError, which says what to write."""
    target = DATABASES.get(url.partition("://")[0])
    if target is None or "://" not in url:
        raise ValueError("write sqlite:///file, postgresql://user:password@host/database, or off")
    database: Database = construct(target, "history", url)
    return database


def unavailable(reason: str) -> StoreUnavailable:
    """Return the fault of a history that cannot be used now."""
    return StoreUnavailable(f"The history is not available ({reason[:LONGEST_NAME]})")
