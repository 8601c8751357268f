"""Connections to PostgreSQL: bounded in number and time, their schema up to date."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import psycopg
from psycopg_pool import PoolTimeout

from otp_app.connections.postgres import (
    STATEMENT,
    TIMEOUT,
    Connection,
    LazyPool,
    NoAnswer,
    check,
    make_pool,
    may_outlast,
    public_reason,
)
from otp_app.core.errors import StoreUnavailable
from otp_app.core.moving import Freeze
from otp_app.stores.breaker import Breaker

LONG = 60.0  # seconds for the work of an operator, and for changing the schema
CONNECTIONS = 10
MIGRATIONS = sorted(Path(__file__).with_name("sql").glob("[0-9]*.sql"))
LOCK = 0x4F5450  # of all servers that start at once one changes the schema: "OTP"
FROZEN = "OTPFR"  # the SQLSTATE of our own trigger
#: The settings of each connection: a statement that we gave up must not continue there, and a change that was answered
#: is on the disk. A stronger synchronous_commit, for replicas, stays.
SETTINGS = f"""
    SELECT set_config('statement_timeout', '{int(STATEMENT * 1000)}', false), set_config('synchronous_commit',
        CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false),
        set_config('default_transaction_isolation', 'read committed', false)
"""


class Pool:
    """The connections of one store. Raises StoreUnavailable and no other fault."""

    def __init__(self, url: str) -> None:
        conninfo, most = _parse(url)
        self._conninfo = conninfo
        self._pool = LazyPool(lambda: make_pool(conninfo, "otp", most, _configure, least=1))
        # A rejected or abandoned statement, or a lost connection, says nothing about the next one.
        self._breaker = Breaker((PoolTimeout, NoAnswer))
        self._opening, self._ready = Lock(), False
        self._answered = 0.0  # when the server last did, by time.monotonic()
        self._ill_at = 0.0  # by the clock of `opened`: a session that began before may have kept the cause of a fault

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Lend a connection on which each statement is one transaction."""
        try:
            with self._breaker.calling():
                if not self._ready:
                    self._open()
                with self._lent() as db:
                    yield db
        except psycopg.Error as error:
            raise _unavailable(error) from error

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Lend a connection in a transaction that may take long."""
        with self.connection() as db, _long_transaction(db):
            yield db

    def explain(self) -> None:
        """Raise StoreUnavailable with libpq's reason if there never was a connection; operators may read it."""
        if self._ready:
            return
        try:
            Connection.connect(self._conninfo, connect_timeout=2).close()
        except psycopg.OperationalError as error:
            raise StoreUnavailable(f"The store is not available ({' '.join(str(error).split())})") from None

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    def _open(self) -> None:
        """Start the pool and bring the schema up to date, once."""
        if not self._opening.acquire(timeout=TIMEOUT):
            raise StoreUnavailable
        try:
            if not self._ready:
                with self._lent() as db:
                    migrate(db)
                self._ready = True
        finally:
            self._opening.release()

    @contextmanager
    def _lent(self) -> Iterator[Connection]:
        db = self._take()
        try:
            yield db
            self._answered = time.monotonic()
        except psycopg.Error as error:
            if error.sqlstate != FROZEN and may_outlast(error):
                db.close()
                if error.sqlstate:  # it came from the server, so it may come from each of its sessions
                    self._ill_at = time.monotonic()
            raise
        finally:
            self._pool.get().putconn(db)  # one that broke is replaced

    def _take(self) -> Connection:
        """Return a connection that the server has not closed, and that is newer than its last fault."""
        begun = time.monotonic()
        while True:
            db = self._next(begun)
            if db.opened > self._ill_at and not _has_news(db):
                return db
            db.close()
            self._pool.get().putconn(db)

    def _next(self, begun: float) -> Connection:
        """Return a connection. Where others had them all, the server is not down, and the breaker must stay closed."""
        try:
            return self._pool.get().getconn(timeout=begun + TIMEOUT - time.monotonic())
        except PoolTimeout as error:
            if self._answered > begun:
                raise StoreUnavailable("The store is not available (too many wait for it)") from error
            raise


def migrate(db: Connection) -> None:
    """Bring the schema up to date; where several servers start at once, one does it.

    Each migration leaves a schema with which the release before works too, so that both can run side by side.
    """
    newest = int(MIGRATIONS[-1].name[:4])
    if db.execute("SELECT to_regclass('otp_schema')").fetchall() != [(None,)] and newest in _done(db):
        return
    with _long_transaction(db):
        db.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        db.execute("CREATE TABLE IF NOT EXISTS otp_schema (version int PRIMARY KEY, since timestamptz DEFAULT now())")
        done = _done(db)
        for file in MIGRATIONS:
            if (version := int(file.name[:4])) not in done:
                statements = file.read_bytes()
                db.execute(statements)
                db.execute("INSERT INTO otp_schema (version) VALUES (%s)", (version,))


def _done(db: Connection) -> set[int]:
    return {version for (version,) in db.execute("SELECT version FROM otp_schema")}


@contextmanager
def _long_transaction(db: Connection) -> Iterator[None]:
    db.answer_timeout = LONG
    try:
        with db.transaction():
            db.execute("SET LOCAL statement_timeout = 0")
            yield
    finally:
        db.answer_timeout = TIMEOUT


def _has_news(db: Connection) -> bool:
    """Whether the server sent something unasked: on an idle connection, that it has closed."""
    poll = select.poll()
    poll.register(db.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _configure(db: Connection) -> None:
    db.opened = time.monotonic()
    db.execute(SETTINGS)


def _parse(url: str) -> tuple[str, int]:
    """Return libpq's part of a URL, to the letter, and the number of connections. Raises ValueError."""
    place, _, query = url.partition("?")
    options = [option for option in query.split("&") if option]
    others = [option for option in options if not option.startswith("pool=")]
    most = [option[5:] for option in options if option not in others] or [str(CONNECTIONS)]
    conninfo = "?".join([place, "&".join(others)] if others else [place])
    check(conninfo)
    if not (most[-1].isdecimal() and 1 <= int(most[-1]) <= 1000):
        raise ValueError("pool is the number of connections, 1 to 1000")
    return conninfo, int(most[-1])


def _unavailable(error: psycopg.Error) -> StoreUnavailable:
    if error.sqlstate == FROZEN:
        return StoreUnavailable(Freeze(str(error.diag.message_primary)).message)
    if isinstance(error, psycopg.errors.UndefinedTable):  # an empty one in its place would forget all limits
        reason = "a table is gone: restore it, or drop the rest of otp_entries, otp_jobs and otp_schema and restart"
    elif isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
        reason = "it is read-only"
    else:
        reason = public_reason(error)
    return StoreUnavailable(f"The store is not available ({reason})")
