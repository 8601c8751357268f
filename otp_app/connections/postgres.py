"""Connections to PostgreSQL that give up in time, and the public reasons of their faults."""

from __future__ import annotations

import logging
import select
import time
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any, NamedTuple

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg_pool import ConnectionPool

TIMEOUT = 0.5  # seconds for a connection, and for each answer
STATEMENT = 0.4  # seconds for each statement: less, so that a server that answers reports its own time-out
PUBLIC_REASONS = {  # for callers and operators; the text of a fault may name what they must not see
    "PoolTimeout": "no connection in time",
    "NoAnswer": "no answer in time",
    "QueryCanceled": "it took too long",
    "LockNotAvailable": "its table is locked",
    "InsufficientPrivilege": "its user may not make or use our tables",
    "NoThread": "no thread can be started",
}
OF_THE_STATEMENT = (
    psycopg.IntegrityError, psycopg.DataError, psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled
)  # fmt: skip


class RateLimitedFilter(logging.Filter):
    """Lets each kind of line through once in 10 s: all connections to a server that is down log the same."""

    def __init__(self) -> None:
        super().__init__()
        self._next: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to show the record, which becomes one line."""
        if record.created < self._next.get(record.msg, 0.0):
            return False
        self._next[record.msg] = record.created + 10
        record.msg, record.args = " ".join(record.getMessage().split()), ()
        return True


_pool_log = logging.getLogger("psycopg.pool")
_pool_log.setLevel(logging.WARNING)  # below, it logs each connection that is lent
_pool_log.addFilter(RateLimitedFilter())


class NoAnswer(psycopg.OperationalError):
    """The server did not answer in time."""


class NoThread(psycopg.OperationalError):
    """The system had no thread for a pool."""


class Statement(NamedTuple):
    """A statement that each session prepares when it first needs it."""

    name: bytes
    text: bytes  # its parameters are written $1, $2, ...
    formats: tuple[int, ...]  # of the parameters: 0, text, or 1, as they are


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection on which a server that does not answer is a fault too."""

    answer_timeout = TIMEOUT
    opened = 0.0  # when, by time.monotonic(); the pool sets it
    known: frozenset[bytes] = frozenset()  # names of the statements that are prepared

    def run(self, statement: Statement, *values: bytes | None) -> PGresult:
        """Return the result of a statement, its values as they are. Raises psycopg.Error.

        That is `execute` without its cursor, its adaptation of values and its generators: libpq does the same work.
        """
        if self.pgconn.transaction_status != TransactionStatus.IDLE:  # the fault below would end the transaction
            self.pgconn.send_query_params(statement.text, values, param_formats=statement.formats, result_format=1)
            return self._result()
        try:
            return self._run_prepared(statement, values)
        except psycopg.errors.InvalidSqlStatementName:  # not run: after a DROP psycopg has the session forget all names
            self.known = frozenset()
            return self._run_prepared(statement, values)

    def _run_prepared(self, statement: Statement, values: Sequence[bytes | None]) -> PGresult:
        if statement.name not in self.known:
            self.pgconn.send_prepare(statement.name, statement.text)
            self._result()
            self.known |= {statement.name}
        self.pgconn.send_query_prepared(statement.name, values, param_formats=statement.formats, result_format=1)
        return self._result()

    def _result(self) -> PGresult:
        """Return the answer to what was sent, once it is there to its end."""
        end, found = time.monotonic() + self.answer_timeout, None
        while self.pgconn.flush():  # what the system did not take at once
            self._wait_until(end, select.POLLIN | select.POLLOUT)
        while True:
            while self.pgconn.is_busy():
                self._wait_until(end, select.POLLIN)
            if (result := self.pgconn.get_result()) is None:
                break
            found = result
        if found is None or found.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
            raise error_from_result(found) if found else psycopg.OperationalError("no answer")
        return found

    def _wait_until(self, end: float, event: int) -> None:
        """Wait for the server, and read what it has sent. Raises NoAnswer."""
        waiting = select.poll()
        waiting.register(self.pgconn.socket, event)
        if not waiting.poll(max(end - time.monotonic(), 0.0) * 1000):
            self.pgconn.finish()  # the answer may still come: no other caller must get it
            raise NoAnswer("no answer in time")
        self.pgconn.consume_input()

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for an answer, but not for ever: a server may be stopped, or a network may drop packets."""
        try:
            return super().wait(gen, interval, timeout or self.answer_timeout)
        except psycopg.errors._WaitTimeout as error:  # noqa: SLF001 - it has no other name
            self.pgconn.finish()  # the answer may still come: no other caller must get it
            raise NoAnswer(str(error)) from error


def make_pool(
    conninfo: str, name: str, most: int, configure: Callable[[Connection], None], *, least: int = 0, check: bool = False
) -> ConnectionPool[Connection]:
    """Return a closed pool of at most `most` connections. `check`: each one is tested before it is lent."""
    return ConnectionPool(
        conninfo,
        connection_class=Connection,
        kwargs={"autocommit": True, "connect_timeout": 2, "client_encoding": "utf8"},  # libpq takes no shorter time-out
        min_size=least,
        max_size=most,
        open=False,
        configure=configure,
        check=ConnectionPool.check_connection if check else None,
        timeout=TIMEOUT,
        reconnect_timeout=TIMEOUT,  # the next caller tries again
        name=name,
    )


class LazyPool:
    """A pool whose threads begin with its first use: all of them, or none where the system has not enough.

    A pool that had begun with a part of them would have nobody who opens connections, for ever.
    """

    def __init__(self, make: Callable[[], ConnectionPool[Connection]]) -> None:
        self._make, self._pool = make, make()
        self._opening, self._is_open = Lock(), False

    def get(self) -> ConnectionPool[Connection]:
        """Return the pool, open. Raises NoThread."""
        if not self._is_open:
            with self._opening:
                self._open()
        return self._pool

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    def _open(self) -> None:
        try:
            self._pool.open()  # only the first does something
        except RuntimeError as error:
            self._pool.close()
            self._pool = self._make()  # one that was closed cannot be opened
            raise NoThread("no thread can be started") from error
        self._is_open = True


def public_reason(error: psycopg.Error) -> str:
    """Return the reason of a fault that callers and operators may read."""
    name = type(error).__name__
    return PUBLIC_REASONS.get(name, name)


def may_outlast(error: BaseException) -> bool:
    """Whether a fault may be the session's own (read-only, a cached plan) and outlast its cause: close the connection.

    One of a value, a condition, a lock or a time limit is not.
    """
    return isinstance(error, psycopg.Error) and not isinstance(error, OF_THE_STATEMENT)


def check(conninfo: str) -> None:
    """Raise ValueError, which shows no password, for a URL that libpq would not read, or would read differently."""
    try:
        parts = conninfo_to_dict(conninfo)
        # A password with @ or / in it goes into the host or the port, which faults name.
        ports = ["unknown"] if "@" in str(parts.get("host", "")) else str(parts.get("port", "")).split(",")
    except psycopg.ProgrammingError:
        ports = ["unknown"]
    if not all(port.isdecimal() or not port for port in ports):
        raise ValueError(
            "write postgresql://user:password@host:port/database, with libpq's options if any (in a password / is %2F, "
            "# %23, ? %3F, @ %40, % %25)"
        )
