"""A statement that is run without psycopg's cursors: its answer, its faults, and a server that does not answer."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from otp_app.connections.postgres import Connection, NoAnswer, Statement
from tests.services import Postgres

LENGTH = Statement(b"length", b"SELECT length($1::bytea)", (1,))
DIVIDE = Statement(b"divide", b"SELECT 8 / $1::int", (0,))
SLEEP = Statement(b"sleep", b"SELECT pg_sleep($1::float8)", (0,))


@pytest.fixture
def db(postgres_server: Postgres) -> Iterator[Connection]:
    with Connection.connect(postgres_server.new_url(), autocommit=True) as db:
        db.answer_timeout = 60
        yield db


def value(db: Connection, statement: Statement, given: bytes | None) -> bytes | None:
    return db.run(statement, given).get_value(0, 0)


@pytest.mark.parametrize("length", [0, 8192, 32 << 20])
def test_a_value_goes_as_it_is_however_long(db: Connection, length: int) -> None:
    """Longer than what the system takes at once too; a statement is prepared once."""
    assert [value(db, LENGTH, b"\0" * length) for _ in range(2)] == [length.to_bytes(4)] * 2
    assert value(db, LENGTH, None) is None
    assert db.execute("SELECT count(*) FROM pg_prepared_statements").fetchall() == [(1,)]


def test_a_fault_is_psycopgs_and_the_connection_goes_on(db: Connection) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero) as fault:
        db.run(DIVIDE, b"0")
    assert fault.value.diag.message_primary == "division by zero"
    with pytest.raises(psycopg.errors.UndefinedTable):
        db.run(Statement(b"nowhere", b"SELECT 1 FROM nowhere", ()))
    assert value(db, DIVIDE, b"2") == (4).to_bytes(4)
    assert db.execute("SELECT 1").fetchall() == [(1,)]


def test_a_statement_that_the_session_has_forgotten_is_prepared_again(db: Connection) -> None:
    """psycopg sends this after a DROP, such as that of a thaw; a transaction goes on too."""
    db.run(DIVIDE, b"2")
    db.execute("DEALLOCATE ALL")
    with db.transaction():
        assert value(db, DIVIDE, b"8") == (1).to_bytes(4)
    assert value(db, DIVIDE, b"4") == (2).to_bytes(4)


def test_a_server_that_does_not_answer_in_time_is_asked_no_more(db: Connection) -> None:
    """Its answer may still come, and must not be taken for that of another statement."""
    db.run(SLEEP, b"0")
    db.answer_timeout = 0.05
    with pytest.raises(NoAnswer):
        db.run(SLEEP, b"20")
    assert db.closed


def test_a_server_that_hangs_up_is_a_fault(db: Connection, postgres_server: Postgres) -> None:
    with postgres_server.client() as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (db.info.backend_pid,))
    for _ in range(2):
        with pytest.raises(psycopg.OperationalError):
            db.run(LENGTH, b"")
