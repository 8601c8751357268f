"""Jobs in Redis: those that wait in one sorted set, what they are in one hash, both on one node of a cluster."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from otp_app.core.jobs import Job, Jobs
from otp_app.core.moving import Item, Waiting
from otp_app.stores.redis.scripts import SCRIPTS, Script, answer, milliseconds

#: id -> milliseconds of the server's clock; id -> lease, a blank, payload
JOBS = DUE, BODY = "otp:{jobs}:due", "otp:{jobs}:body"
PUT, TAKE = Script(SCRIPTS / "put_job.lua"), Script(SCRIPTS / "take_jobs.lua")
DONE, NEXT = Script(SCRIPTS / "end_job.lua"), Script(SCRIPTS / "next_job.lua")


class RedisJobs(Jobs):
    """Jobs of all the URLs of Redis; by the server's clock, which all servers of a network have in common."""

    def __init__(self, calling: Callable[[], AbstractContextManager[Any]], freezable: list[str]) -> None:
        self._calling, self._keys = calling, [DUE, BODY, *freezable]

    def put(self, job_id: str, payload: bytes, delay: float) -> None:
        """Keep a job; see core.jobs.Jobs."""
        with self._calling() as server:
            answer(int, PUT.run(server, self._keys, job_id.encode(), payload, int(delay * 1000)))

    def take(self, lease: float, limit: int) -> list[Job]:
        """Take jobs that are due; see core.jobs.Jobs."""
        name = secrets.token_hex(8)
        with self._calling() as server:
            flat = answer(list, ["", *TAKE.run(server, self._keys, milliseconds(lease), limit, name.encode())])[1:]
        return [Job(job_id.decode(), payload, name) for job_id, payload in zip(flat[::2], flat[1::2], strict=True)]

    def done(self, job: Job) -> bool:
        """Forget a job; see core.jobs.Jobs."""
        with self._calling() as server:
            return bool(answer(int, DONE.run(server, self._keys, job.id.encode(), job.lease.encode())))

    def next_in(self) -> float | None:
        """Return the seconds until a job is due; see core.jobs.Jobs."""
        with self._calling() as server:
            left = answer(bytes, NEXT.run(server, self._keys[:1]))
        return int(left) / 1000 if left else None

    def waiting(self) -> int:
        """Return how many jobs there are; see core.jobs.Jobs."""
        with self._calling() as server:
            return int(answer(int, server.zcard(DUE)))

    # ---- moving, by the store

    def scan(self) -> Iterator[Item]:
        """Yield all jobs; ttl is the seconds until they are due."""
        with self._calling() as server:
            bodies = server.hgetall(BODY)
            seconds, microseconds = server.time()
            for job_id, due in server.zrange(DUE, 0, -1, withscores=True):
                if body := bodies.get(job_id):
                    payload = body.partition(b" ")[2]
                    yield Item(job_id.decode(), Waiting(payload), due / 1000 - seconds - microseconds / 1e6)

    def load(self, pipe: Any, job_id: str, payload: bytes, delay: float) -> None:
        """Put a job there, frozen or not, with what else this pipe does."""
        pipe.eval(PUT.text, 2, *JOBS, job_id.encode(), payload, int(delay * 1000))
