"""The migrations, by Alembic: their files are in migrations/versions, each with the steps from the one before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, text

from otp_app.accounts.errors import AccountsUnavailable

FOLDER = Path(__file__).with_name("migrations")
LONG = 60.0  # seconds for a statement of a migration
ALONE = text("SELECT pg_advisory_xact_lock(1094927188)")  # of all servers that start at once one changes the tables
UNLIMITED = text("SET LOCAL statement_timeout = 0")


def upgrade(db: Connection) -> None:
    """Bring the tables up to date, in the transaction of this connection.

    Raises AccountsUnavailable where a newer version of this server has changed them.
    """
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = db
    try:
        with _alone(db):
            command.upgrade(config, "head")
    except CommandError as error:
        raise AccountsUnavailable("its tables are of a newer version of this server") from error


@contextmanager
def _alone(db: Connection) -> Iterator[None]:
    """Let one server change the tables, for as long as that takes. On SQLite the transaction has the lock already."""
    if db.dialect.name == "sqlite":
        yield
        return
    connection: Any = db.connection.driver_connection
    usual, connection.answer_timeout = connection.answer_timeout, LONG
    db.execute(UNLIMITED)
    db.execute(ALONE)
    try:
        yield
    finally:
        connection.answer_timeout = usual
