"""A directory in a table or view of PostgreSQL, which is only read."""

from __future__ import annotations

import psycopg
from psycopg import sql

from otp_app.apis.users.directories import table
from otp_app.connections.postgres import Connection, LazyPool, check, make_pool, may_outlast, public_reason
from otp_app.core.errors import DirectoryUnavailable

CONNECTIONS = 4  # a look-up takes less than a millisecond

#: What the server is to know of each connection: it gives up before we do, and changes nothing.
SETTINGS = """
    SELECT set_config('statement_timeout', '400', false), set_config('default_transaction_read_only', 'on', false)
"""
LOOK_UP = sql.SQL("SELECT CAST({phone} AS text) FROM {table} WHERE lower(CAST({id} AS text)) IN (%s, %s) LIMIT 2")


class PostgresDirectory:
    """The directory of `postgresql://user:password@host:port/database`, with `table`, `id`, `phone`, libpq's options.

    A look-up waits 0.5 s for a connection and 0.5 s for each answer.
    """

    def __init__(self, url: str) -> None:
        conninfo, names = table.split(url)
        check(conninfo)
        self._look_up = LOOK_UP.format(**{part: sql.Identifier(name) for part, name in names._asdict().items()})
        # Each connection is checked before use: the server may have been restarted.
        self._pool = LazyPool(lambda: make_pool(conninfo, "otp-directory", CONNECTIONS, _configure, check=True))

    def phone(self, user_id: str) -> str | None:
        """Return the number of a user; see Directory."""
        if not table.can_be_stored(user_id):
            return None
        try:
            return table.one(self._rows(user_id))
        except psycopg.Error as error:
            raise DirectoryUnavailable(f"The directory is not available ({public_reason(error)})") from error
        except ValueError as error:
            raise DirectoryUnavailable(f"The directory is not available ({error})") from None

    def ping(self) -> None:
        """Raise DirectoryUnavailable where the table cannot be asked."""
        self.phone("")

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def _rows(self, user_id: str) -> list[tuple[str | None]]:
        with self._pool.get().connection() as db:
            try:
                return db.execute(self._look_up, table.spellings(user_id)).fetchall()
            except psycopg.Error as error:
                if may_outlast(error):
                    db.close()
                raise


def _configure(db: Connection) -> None:
    db.execute(SETTINGS)
