"""The migrations, by Alembic: their files are in migrations/versions, each with the steps from the one before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text

from otp_app.accounts.errors import NEWER, AccountsUnavailable
from otp_app.accounts.tables import VERSIONS

FOLDER = Path(__file__).with_name("migrations")
LONG = 60.0  # seconds for a statement of a migration
ALONE = text("SELECT pg_advisory_xact_lock(1094927188)")  # of all servers that start at once one changes the tables
UNLIMITED = text("SET LOCAL statement_timeout = 0")


def upgrade(db: Connection) -> None:
    """Bring the tables up to date, in the transaction of this connection.

    Raises AccountsUnavailable where a newer version of this server has changed them.
    """
    script = ScriptDirectory(str(FOLDER))

    def steps(version: Any, _: object) -> Any:
        return script._upgrade_revs("head", version)  # noqa: SLF001 - as Alembic's own documents do

    try:
        with _alone(db), EnvironmentContext(Config(), script, fn=steps) as environment:
            environment.configure(connection=db, version_table=VERSIONS)
            environment.run_migrations()
    except CommandError as error:
        raise AccountsUnavailable.because(NEWER) from error


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
