"""The database of accounts: SQLite or PostgreSQL. Raises AccountsUnavailable and no other fault.

A constraint that a statement breaks is one as well, unless the caller looks for it: another request was faster.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from sqlalchemy import Connection, Engine, exc, inspect, text

from otp_app.accounts import sqlite
from otp_app.accounts.errors import NEWER, AccountsUnavailable
from otp_app.accounts.tables import NEWEST, VERSIONS
from otp_app.core.errors import StoreUnavailable
from otp_app.settings import keyring
from otp_app.stores.breaker import Breaker

POOL_TIMEOUT = 0.5  # seconds that a request waits for a connection to a server
OPENING_TIMEOUT = 2.0  # seconds that it waits for the one that opens the database
CONNECTIONS = 10
CURRENT = text(f"SELECT version_num FROM {VERSIONS}")  # noqa: S608 - a constant


class Database:
    """The database of a URL, opened when it is first used; its tables are made, or brought up to date, then.

    Raises ValueError with one line that says what to change in the URL.
    """

    def __init__(self, url: str) -> None:
        self._engine = engine_of(url)
        file = keyring.database(url)
        self._file = sqlite.File(file) if file else None
        is_server = self._engine.dialect.name != "sqlite"  # where an OperationalError is mostly one of the connection
        self._breaker = Breaker((exc.TimeoutError, exc.OperationalError) if is_server else (exc.TimeoutError,))
        self._opening, self._ready = Lock(), False
        self._answered = 0.0  # when the database last lent itself, by time.monotonic()

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

    def look(self) -> None:
        """Raise AccountsUnavailable unless a change could begin now. What is missing could be made, and is not."""
        with self._faults():
            if self._file and not self._file.is_there():
                return
            with self._engine.execution_options(writes=True).begin() as db:
                if any(version > NEWEST for version in _versions(db)):
                    raise AccountsUnavailable.because(NEWER)

    def has_tables(self) -> bool:
        """Return whether the tables are there; what is missing is not made."""
        with self._faults():
            if self._file and not self._file.is_there():
                return False
            with self._engine.begin() as db:
                return bool(_versions(db))

    def faults(self) -> list[str]:
        """Return a line for everything that a server must not start with."""
        return self._file.faults() if self._file else []

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def _transaction(self, engine: Engine) -> Iterator[Connection]:
        with self._faults(), self._breaker.calling(), self._answers():
            self._bring_up_to_date()
            with engine.begin() as db:
                self._answered = time.monotonic()
                yield db

    @contextmanager
    def _answers(self) -> Iterator[None]:
        """Keep the breaker closed where the database works: others have it at the moment, or it reports a fault itself,
        such as a row that somebody else has locked. Open, it would turn all callers away.
        """
        begun = time.monotonic()
        try:
            yield
        except exc.TimeoutError as error:
            if self._answered <= begun:
                raise
            raise AccountsUnavailable.because("too many wait for it") from error
        except exc.OperationalError as error:
            if not getattr(error.orig, "sqlstate", None):  # PostgreSQL's word, which a connection that broke has not
                raise
            raise AccountsUnavailable.because(_reason(error)) from error

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except exc.SQLAlchemyError as error:
            if isinstance(error, exc.ProgrammingError):  # a table may be gone, with its database
                self._ready = False
            raise AccountsUnavailable.because(_reason(error)) from error
        except OSError as error:
            raise AccountsUnavailable.because(error.strerror or type(error).__name__) from error
        except StoreUnavailable as error:
            raise AccountsUnavailable.because("it did not answer just now") from error

    def _bring_up_to_date(self) -> None:
        if self._ready and not self._file:
            return
        if not self._opening.acquire(timeout=OPENING_TIMEOUT):  # or all would wait in turn for one that hangs
            raise exc.TimeoutError
        try:
            self._open()
        finally:
            self._opening.release()

    def _open(self) -> None:
        if self._file and self._file.is_another():  # connections to the old one would go on with it
            self._engine.dispose()
            self._ready = False
        if self._ready:
            return
        if self._file:
            self._file.make()
        if not _is_newest(self._engine):
            from otp_app.accounts import migrating  # Alembic, for this alone

            with self._engine.execution_options(writes=True).begin() as db:
                migrating.upgrade(db)
        self._ready = True


def engine_of(url: str, *, is_ours: bool = True) -> Engine:
    """Return the engine of a URL. Raises ValueError with one line."""
    if url.startswith("sqlite://"):
        return sqlite.engine(sqlite.file_of(url), CONNECTIONS, is_ours=is_ours)
    if url.startswith(("postgresql://", "postgres://")):
        from otp_app.accounts.postgres import engine  # psycopg, for this alone

        return engine(url, CONNECTIONS, POOL_TIMEOUT)
    raise ValueError("write sqlite:///file, or postgresql://user:password@host/database")


def _is_newest(engine: Engine) -> bool:
    with engine.begin() as db:
        return _versions(db) == [NEWEST]


def _versions(db: Connection) -> list[str]:
    return list(db.execute(CURRENT).scalars()) if inspect(db).has_table(VERSIONS) else []


def _reason(error: exc.SQLAlchemyError) -> str:
    """What callers and operators may read: the text of a fault may name what they must not see."""
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    return getattr(cause, "sqlite_errorname", None) or type(cause).__name__
