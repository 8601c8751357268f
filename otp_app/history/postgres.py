"""A history in PostgreSQL: one for many servers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any

import psycopg

from otp_app.connections.postgres import Connection, check, public_reason
from otp_app.history.database import Database, NotBegunError, Session, unavailable
from otp_app.history.migrating import migrate
from otp_app.history.schema import schema

PATIENCE = 10.0  # seconds for an answer: no request waits for one, but for the pages of an operator
MIGRATION = 900.0  # seconds for each statement that brings old tables up to date
SET_TIMEOUT = "SELECT set_config('statement_timeout', %s, false)"
LOCK = 0x4F545048  # of all writers one writes at a time, so that the totals are those of the rows: "OTPH"


class _Session(Session):
    def __init__(self, db: Connection) -> None:
        self._db = db

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        own = _own(statement)
        return self._db.execute(own, values).fetchall()

    def change(self, statement: str, values: Sequence[Any] = ()) -> int:
        own = _own(statement)
        return self._db.execute(own, values).rowcount

    def many(self, statement: str, values: Iterable[Sequence[Any]]) -> None:
        own = _own(statement)
        with self._db.cursor() as cursor:
            cursor.executemany(own, list(values))


class PostgresDatabase(Database):
    """The history of `postgresql://`."""

    def __init__(self, url: str) -> None:
        place, _, query = url.partition("?")
        options = "&".join(option for option in query.split("&") if option and not option.startswith("pool="))
        self._conninfo = f"{place}?{options}" if options else place
        check(self._conninfo)
        self._lock = Lock()
        self._db: Connection | None = None

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Begin a transaction; see Database."""
        with self._lock, _faults():
            try:
                db = self._open()
                with db.transaction():
                    db.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
                    yield _Session(db)
            except psycopg.Error:
                self._close()
                raise

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Begin a transaction; see Database."""
        with _faults(), self._connect() as db:
            db.execute("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            with db.transaction():
                yield _Session(db)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._close()

    def _open(self) -> Connection:
        if self._db is None or self._db.closed:
            db = self._connect()
            try:
                with db.transaction():
                    db.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
                    migrate(_Session(db), schema(), lambda: _be_patient(db, MIGRATION))
                _be_patient(db, PATIENCE)
            except BaseException:
                db.close()
                raise
            self._db = db
        return self._db

    def _connect(self) -> Connection:
        db = Connection.connect(self._conninfo, autocommit=True, connect_timeout=2, client_encoding="utf8")
        _be_patient(db, PATIENCE)
        return db

    def _close(self) -> None:
        db, self._db = self._db, None
        if db:
            db.close()


def _be_patient(db: Connection, seconds: float) -> None:
    db.answer_timeout = seconds
    db.execute(SET_TIMEOUT, (str(int(seconds * 1000)),))


def _own(statement: str) -> bytes:
    return statement.replace("?", "%s").encode()


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except psycopg.errors.UndefinedTable as error:
        raise NotBegunError from error
    except psycopg.Error as error:
        raise unavailable(public_reason(error)) from error
