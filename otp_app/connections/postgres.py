"""Connections to PostgreSQL that give up in time, and what is said of their faults. For the store and the directory."""

from __future__ import annotations

import logging
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

TIMEOUT = 0.5  # seconds for a connection, and for each answer
STATEMENT = 0.4  # seconds for each statement: less, so that a server that lives says itself that it gave up
PUBLIC_REASONS = {  # what callers and operators may read; the text of a fault could name what is no business of theirs
    "PoolTimeout": "no connection in time",
    "NoAnswer": "no answer in time",
    "QueryCanceled": "it took too long",
    "LockNotAvailable": "somebody holds its table",
    "InsufficientPrivilege": "its user may not make or use our tables",
}


class RateLimitedFilter(logging.Filter):
    """Lets each kind of line through once in 10 s: of a server that is away all connections say the same."""

    def __init__(self) -> None:
        super().__init__()
        self._next: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether to show it; what is shown is one line."""
        if record.created < self._next.get(record.msg, 0.0):
            return False
        self._next[record.msg] = record.created + 10
        record.msg, record.args = " ".join(record.getMessage().split()), ()
        return True


_pool_log = logging.getLogger("psycopg.pool")
_pool_log.setLevel(logging.WARNING)  # below, it tells of each connection that is lent
_pool_log.addFilter(RateLimitedFilter())


class NoAnswer(psycopg.OperationalError):
    """The server said nothing in time."""


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection on which a server that says nothing is a fault too."""

    answer_timeout = TIMEOUT
    opened = 0.0  # when, by time.monotonic(); the pool sets it

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for an answer, but not for ever: a server may be stopped, or a network swallow what is sent."""
        try:
            return super().wait(gen, interval, timeout or self.answer_timeout)
        except psycopg.errors._WaitTimeout as error:  # noqa: SLF001 - it has no other name
            self.pgconn.finish()  # the answer may still come: nobody else must get it
            raise NoAnswer(str(error)) from error


def why(error: psycopg.Error) -> str:
    """Say of a fault what callers and operators may read."""
    name = type(error).__name__
    return PUBLIC_REASONS.get(name, name)


def check(conninfo: str) -> None:
    """Raise ValueError, which shows no password, for a URL that libpq would not read, or would read otherwise."""
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
