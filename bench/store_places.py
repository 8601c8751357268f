"""Where records rest: how much room they take there, and how the server is set up."""

from __future__ import annotations

import sqlite3
import time
from argparse import ArgumentTypeError
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg
import redis


class Place:
    """A store in memory, and what the others differ from."""

    title = "memory"
    processes: tuple[int, ...] = (1,)  # how many use it at the same time

    def __init__(self, url: str) -> None:
        self.url = url

    def setup(self) -> str:
        """How it was configured."""
        return "in the process itself"

    def size(self) -> int | None:
        """Bytes that everything takes; None: it lies in the process that uses it."""
        return None

    def settle(self) -> None:
        """Let it finish by now what it would do later by itself."""

    def churn(self) -> int | None:
        """Change every record once; return the bytes that everything takes then. None: as many as before."""
        return None


class Sqlite(Place):
    """A database file."""

    title = "sqlite"
    processes = (1, 4)

    def setup(self) -> str:
        """Version and durability."""
        synchronous = urlsplit(self.url).query or "synchronous=FULL"
        return f"SQLite {sqlite3.sqlite_version}, WAL, {synchronous}"

    def size(self) -> int:
        """The file and its log, as they are after a checkpoint."""
        self.settle()
        return sum(file.stat().st_size for file in (self._path, Path(f"{self._path}-wal")) if file.exists())

    def settle(self) -> None:
        """Bring the log into the file."""
        if self._path.exists():
            with closing(sqlite3.connect(self._path)) as db:
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @property
    def _path(self) -> Path:
        return Path(unquote(urlsplit(self.url).path).removeprefix("/"))


class Redis(Place):
    """A Redis or Valkey server."""

    title = "redis"
    processes = (1, 4)

    def setup(self) -> str:
        """Version and what survives its end."""
        with self._client() as client:
            try:
                told = client.config_get("append*", "save", "maxmemory")
                names = [name for name in ("appendonly", "appendfsync", "save", "maxmemory") if name in told]
                settings = ", ".join(f"{name} {told[name] or '(empty)'}" for name in names)
            except redis.ResponseError:
                settings = "its settings are not told"
            return f"Redis {client.info('server')['redis_version']}, {settings}"

    def size(self) -> int:
        """used_memory: all that the server has allocated, its own needs included."""
        with self._client() as client:
            return int(client.info("memory")["used_memory"])

    def settle(self) -> None:
        """Wait for the end of a rewrite of the log, which a load brings about."""
        with self._client() as client:
            while any(client.info("persistence")[f"aof_rewrite_{what}"] for what in ("scheduled", "in_progress")):
                time.sleep(0.1)

    def _client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url)


class Postgres(Place):
    """A PostgreSQL server."""

    title = "postgres"
    processes = (1, 4)

    def setup(self) -> str:
        """Version and what decides about speed and durability."""
        with self._client() as db:
            names = ("server_version", "fsync", "synchronous_commit", "shared_buffers", "max_wal_size")
            told = {name: db.execute("SELECT current_setting(%s)", (name,)).fetchall()[0][0] for name in names}
        version = told.pop("server_version").partition(" ")[0]
        return f"PostgreSQL {version}, " + ", ".join(f"{name} {value}" for name, value in told.items())

    def size(self) -> int:
        """The table with its indexes."""
        with self._client() as db:
            rows = db.execute("SELECT coalesce(pg_total_relation_size(to_regclass('otp_entries')), 0)").fetchall()
        return int(rows[0][0])

    def settle(self) -> None:
        """Vacuum, as autovacuum would within a minute."""
        with self._client() as db:
            db.execute("VACUUM ANALYZE otp_entries")

    def churn(self) -> int:
        """Change all rows in one statement, then vacuum: the worst case, since no room is used again on the way."""
        with self._client() as db:
            db.execute("UPDATE otp_entries SET expires = expires + interval '1 second'")
        self.settle()
        return self.size()

    def _client(self) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(self.url, autocommit=True)


PLACES = {"memory": Place, "sqlite": Sqlite, "redis": Redis, "rediss": Redis, "unix": Redis, "postgresql": Postgres,
          "postgres": Postgres}


def place(url: str) -> Place:
    """Return the place of a store's URL. Raises ArgumentTypeError for one that cannot be measured."""
    scheme = url.partition("://")[0]
    if scheme not in PLACES:
        raise ArgumentTypeError(f"choose from {', '.join(f'{name}://' for name in PLACES)}")
    return PLACES[scheme](url)
