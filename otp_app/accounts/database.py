"""The database of accounts: SQLite or PostgreSQL. Raises AccountsUnavailable and no other fault.

A constraint that a statement breaks is one as well, unless the caller looks for it: another request was faster.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event, exc, inspect, text

from otp_app.accounts.errors import AccountsUnavailable
from otp_app.accounts.tables import NEWEST, VERSIONS
from otp_app.core.errors import StoreUnavailable
from otp_app.settings import keyring
from otp_app.stores.breaker import Breaker

LOCK_TIMEOUT = 2.0  # seconds that a change waits for another process
POOL_TIMEOUT = 0.5  # seconds that a request waits for a connection
CONNECTIONS = 10
CURRENT = text(f"SELECT version_num FROM {VERSIONS}")  # noqa: S608 - a constant


class Database:
    """The database of a URL, opened when it is first used; its tables are made, or brought up to date, then.

    Raises ValueError with one line that says what to change in the URL.
    """

    def __init__(self, url: str) -> None:
        self._engine = engine_of(url)
        is_server = self._engine.dialect.name != "sqlite"  # where an OperationalError is mostly one of the connection
        self._breaker = Breaker((exc.TimeoutError, exc.OperationalError) if is_server else (exc.TimeoutError,))
        self._opening, self._ready = Lock(), False

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Lend a connection on which statements read."""
        with self._transaction(self._engine) as db:
            yield db

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Lend a connection on which all statements together are one change, or none."""
        with self._transaction(self._engine.execution_options(writes=True)) as db:
            yield db

    def ping(self) -> None:
        """Raise AccountsUnavailable unless a change could begin now."""
        with self.writing():
            pass

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def _transaction(self, engine: Engine) -> Iterator[Connection]:
        try:
            with self._breaker.calling():
                self._bring_up_to_date()
                with engine.begin() as db:
                    yield db
        except exc.SQLAlchemyError as error:
            raise AccountsUnavailable.because(_reason(error)) from error
        except OSError as error:
            raise AccountsUnavailable.because(error.strerror or type(error).__name__) from error
        except StoreUnavailable as error:
            raise AccountsUnavailable.because("it did not answer just now") from error

    def _bring_up_to_date(self) -> None:
        if self._ready:
            return
        with self._opening:
            if self._ready:
                return
            _make_file(self._engine)
            if not _is_newest(self._engine):
                from otp_app.accounts import migrating  # Alembic, for this alone

                with self._engine.execution_options(writes=True).begin() as db:
                    migrating.upgrade(db)
            self._ready = True


def engine_of(url: str) -> Engine:
    """Return the engine of a URL. Raises ValueError with one line."""
    if (file := keyring.database(url)) and file.name:
        return _sqlite(file)
    if url.startswith(("postgresql://", "postgres://")):
        from otp_app.accounts.postgres import engine  # psycopg, for this alone

        return engine(url, CONNECTIONS, POOL_TIMEOUT)
    raise ValueError("write sqlite:///file, or postgresql://user:password@host/database")


def _sqlite(file: Path) -> Engine:
    def connect() -> sqlite3.Connection:
        db = sqlite3.connect(file, LOCK_TIMEOUT, isolation_level=None, check_same_thread=False)
        db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON")
        return db

    engine = create_engine(
        f"sqlite:///{file}", creator=connect, poolclass=QueuePool,
        pool_size=CONNECTIONS, max_overflow=0, pool_timeout=POOL_TIMEOUT,
    )  # fmt: skip
    event.listen(engine, "begin", _begin)
    return engine


def _begin(db: Connection) -> None:
    """SQLite: a change takes the lock at once, or two that have read would both wait for the other to end."""
    db.exec_driver_sql("BEGIN IMMEDIATE" if db.get_execution_options().get("writes") else "BEGIN")


def _make_file(engine: Engine) -> None:
    """SQLite would make a file that others can read."""
    if engine.dialect.name == "sqlite":
        file = Path(str(engine.url.database))
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)


def _is_newest(engine: Engine) -> bool:
    with engine.begin() as db:
        return inspect(db).has_table(VERSIONS) and db.execute(CURRENT).scalars().all() == [NEWEST]


def _reason(error: exc.SQLAlchemyError) -> str:
    """What callers and operators may read: the text of a fault may name what they must not see."""
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    return getattr(cause, "sqlite_errorname", None) or type(cause).__name__
