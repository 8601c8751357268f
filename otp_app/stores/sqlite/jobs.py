"""Jobs in the SQLite file of the records: as durable as those, for all processes of one machine."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from otp_app.core.jobs import BACKWARDS, Job, Jobs, NewJob
from otp_app.core.moving import Item, Waiting
from otp_app.core.store import Swap
from otp_app.stores.sqlite.file import Connection
from otp_app.stores.sqlite.writer import Writer

#: `put` is the clock when the row was written: a row from the future was written before the clock was set back.
TABLE = """
    CREATE TABLE IF NOT EXISTS jobs (
        id TEXT PRIMARY KEY, payload BLOB NOT NULL, due REAL NOT NULL, put REAL NOT NULL, lease TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS jobs_by_due ON jobs (due);
    CREATE INDEX IF NOT EXISTS jobs_by_put ON jobs (put);
"""
EXISTS = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'jobs'"
PUT = "INSERT OR REPLACE INTO jobs (id, payload, due, put, lease) VALUES (?, ?, ?, ?, '')"
TAKE = """
    UPDATE jobs SET due = :now + :lease, put = :now, lease = :name WHERE id IN (
        SELECT id FROM jobs WHERE due <= :now OR put > :now + :backwards ORDER BY due LIMIT :limit)
    RETURNING id, payload
"""
DONE = "DELETE FROM jobs WHERE id = ? AND lease = ?"
NEXT = "SELECT (SELECT min(due) FROM jobs) - :now, (SELECT max(put) FROM jobs) - :now"

COUNT = "SELECT count(*) FROM jobs"


class SqliteJobs(Jobs):
    """Jobs of `sqlite:///`. Files of an earlier version get the table with their first job."""

    def __init__(self, writer: Writer, reader: Connection, clock: Callable[[], float]) -> None:
        self._writer, self._reader, self._clock = writer, reader, clock

    def put(self, job_id: str, payload: bytes, delay: float) -> None:
        """Keep a job; see core.jobs.Jobs."""
        self._writer.do(partial(_put, _rows([NewJob(job_id, payload, delay)], self._clock())))

    def take(self, lease: float, limit: int) -> list[Job]:
        """Take jobs that are due; see core.jobs.Jobs."""
        name = secrets.token_hex(8)
        values = {"now": self._clock(), "lease": lease, "limit": limit, "name": name, "backwards": BACKWARDS}
        return [Job(job_id, payload, name) for job_id, payload in self._writer.do(partial(_take, values))]

    def done(self, job: Job) -> bool:
        """Forget a job; see core.jobs.Jobs."""
        return self._writer.do(lambda db: db.execute(DONE, (job.id, job.lease)).rowcount == 1)

    def next_in(self) -> float | None:
        """Return the seconds until a job is due; see core.jobs.Jobs."""
        with self._reader as db:
            if not exists(db):
                return None
            due, put = db.execute(NEXT, {"now": self._clock()}).fetchone()
        if due is None:
            return None
        return float(due) if put <= BACKWARDS else min(float(due), 0.0)

    def waiting(self) -> int:
        """Return how many jobs there are; see core.jobs.Jobs."""
        with self._reader as db:
            return int(db.execute(COUNT).fetchone()[0]) if exists(db) else 0

    def scan(self, statement: str, batch: int) -> Iterator[Item]:
        """Yield all jobs, for the store that is moved; ttl is the seconds until they are due."""
        after = ""
        while True:
            with self._reader as db:
                rows = db.execute(statement, (self._clock(), after, batch)).fetchall() if exists(db) else []
            if not rows:
                return
            yield from (Item(job_id, Waiting(payload), delay) for job_id, payload, delay in rows)
            after = rows[-1][0]


def exists(db: sqlite3.Connection) -> bool:
    """Whether this file has the table of jobs."""
    return db.execute(EXISTS).fetchone() is not None


def create(db: sqlite3.Connection) -> None:
    """Make the table, unless this file has it: a transaction is open, which a script would end."""
    if not exists(db):
        for statement in filter(str.strip, TABLE.split(";")):
            db.execute(statement)


def swap_and_put(
    swap: Callable[[sqlite3.Connection], Swap], new_jobs: Sequence[NewJob], now: float, db: sqlite3.Connection
) -> Swap:
    """Make a swap, and put jobs where it is won: in the transaction that is open."""
    done = swap(db)
    if done.won:
        _put(_rows(new_jobs, now), db)
    return done


def _rows(new_jobs: Sequence[NewJob], now: float) -> list[tuple[str, bytes, float, float]]:
    return [(job_id, payload, now + delay, now) for job_id, payload, delay in new_jobs]


def _put(rows: list[tuple[str, bytes, float, float]], db: sqlite3.Connection) -> None:
    create(db)
    db.executemany(PUT, rows)


def _take(values: dict[str, object], db: sqlite3.Connection) -> list[tuple[str, bytes]]:
    return db.execute(TAKE, values).fetchall() if exists(db) else []
