"""Jobs in PostgreSQL, by the server's clock; takers pass over what another one is taking."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from typing import Any

from otp_app.core.jobs import Job, Jobs
from otp_app.core.moving import Item, Waiting
from otp_app.stores.postgres.pool import Pool

PUT = """
    INSERT INTO otp_jobs (id, payload, due, lease)
    VALUES (%(id)s, %(payload)s, now() + %(delay)s * interval '1 second', '')
    ON CONFLICT (id) DO UPDATE SET payload = excluded.payload, due = excluded.due, lease = ''
"""
TAKE = """
    WITH due AS (
        SELECT id FROM otp_jobs WHERE due <= now() ORDER BY due LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
    UPDATE otp_jobs SET due = now() + %(lease)s * interval '1 second', lease = %(name)s
    FROM due WHERE otp_jobs.id = due.id
    RETURNING otp_jobs.id, otp_jobs.payload
"""
DONE = "DELETE FROM otp_jobs WHERE id = %(id)s AND lease = %(lease)s"
NEXT = "SELECT extract(epoch FROM min(due) - now())::float8 FROM otp_jobs"
COUNT = "SELECT count(*) FROM otp_jobs"
SCAN = """
    SELECT id, payload, extract(epoch FROM due - now())::float8 FROM otp_jobs WHERE id > %(after)s
    ORDER BY id LIMIT %(limit)s
"""
BATCH = 1000  # rows of one look, when all are read


class PostgresJobs(Jobs):
    """Jobs of `postgresql://`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def put(self, job_id: str, payload: bytes, delay: float) -> None:
        """Keep a job; see core.jobs.Jobs."""
        with self._pool.connection() as db:
            db.execute(PUT, {"id": job_id, "payload": payload, "delay": delay})

    def take(self, lease: float, limit: int) -> list[Job]:
        """Take jobs that are due; see core.jobs.Jobs."""
        name = secrets.token_hex(8)
        with self._pool.connection() as db:
            rows = db.execute(TAKE, {"lease": lease, "limit": limit, "name": name}).fetchall()
        return [Job(job_id, payload, name) for job_id, payload in rows]

    def done(self, job: Job) -> bool:
        """Forget a job; see core.jobs.Jobs."""
        with self._pool.connection() as db:
            return db.execute(DONE, {"id": job.id, "lease": job.lease}).rowcount == 1

    def next_in(self) -> float | None:
        """Return the seconds until a job is due; see core.jobs.Jobs."""
        with self._pool.connection() as db:
            ((left,),) = db.execute(NEXT).fetchall()
        return None if left is None else float(left)

    def waiting(self) -> int:
        """Return how many jobs there are; see core.jobs.Jobs."""
        with self._pool.connection() as db:
            ((count,),) = db.execute(COUNT).fetchall()
        return int(count)

    # ---- moving, by the store

    def scan(self) -> Iterator[Item]:
        """Yield all jobs; ttl is the seconds until they are due."""
        after = ""
        while True:
            with self._pool.transaction() as db:
                rows = db.execute(SCAN, {"after": after, "limit": BATCH}).fetchall()
            if not rows:
                return
            yield from (Item(job_id, Waiting(payload), delay) for job_id, payload, delay in rows)
            after = rows[-1][0]

    def load(self, cursor: Any, items: Iterable[Item]) -> None:
        """Put jobs there, frozen or not, in the transaction of this cursor."""
        jobs = [(key, value.payload, delay) for key, value, delay in items if isinstance(value, Waiting)]
        cursor.executemany(PUT, [{"id": key, "payload": payload, "delay": delay} for key, payload, delay in jobs])
