"""The stores that the contract suite runs on: one row each, and nothing about them in the suite itself."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import psycopg
import pytest
import redis

from otp_app.core.interfaces import Store
from otp_app.store import open_store


@dataclass
class Time:
    """The seconds since the epoch, which stand still unless moved."""

    now: float = field(default_factory=time.time)

    def __call__(self) -> float:
        return self.now


class Place:
    """A store of one kind in a fresh place, and what the suite may do with it from outside."""

    shared = True  # other processes can open it
    sweeps = True  # False where the server itself deletes what is over

    def __init__(self, url: str) -> None:
        self.url, self.clock = url, Time()
        self._opened: list[Store] = []
        self.store = self.open()

    def open(self) -> Store:
        """Another store object on the same records."""
        self._opened.append(open_store(self.url, self.clock))
        return self._opened[-1]

    def advance(self, seconds: float) -> None:
        """Let so much time pass for the store."""
        self.clock.now += seconds

    def fill(self, count: int, ttl: float) -> None:
        """Put entries `fill0`, `fill1`, … there by the shortest way."""
        raise NotImplementedError

    def close(self) -> None:
        for store in self._opened:
            store.close()


class Memory(Place):
    shared = False

    def open(self) -> Store:
        return self._opened[0] if self._opened else super().open()

    def fill(self, count: int, ttl: float) -> None:
        for n in range(count):
            self.store.swap(f"fill{n}", None, b"x", ttl)


class Sqlite(Place):
    @property
    def path(self) -> str:
        return self.url.removeprefix("sqlite:///")

    def fill(self, count: int, ttl: float) -> None:
        self.store.ping()
        end = self.clock.now + ttl
        with sqlite3.connect(self.path) as db:
            db.executemany("INSERT INTO entries VALUES (?, ?, ?)", ((f"fill{n}", b"x", end) for n in range(count)))
        db.close()


#: Takes so many milliseconds off every life; ARGV: the milliseconds, the cursor. Returns the next cursor.
AGE = """
    local page = redis.call("SCAN", ARGV[2], "COUNT", 10000)
    for _, key in ipairs(page[2]) do
        local life = redis.call("PTTL", key)
        if life > 0 then redis.call("PEXPIRE", key, life - ARGV[1]) end
    end
    return page[1]
"""


class Redis(Place):
    """Its own clock cannot be set, so lives are made shorter."""

    sweeps = False

    def advance(self, seconds: float) -> None:
        with redis.Redis.from_url(self.url) as client:
            cursor = "0"
            while (cursor := client.eval(AGE, 0, int(seconds * 1000), cursor)) != b"0":
                pass

    def fill(self, count: int, ttl: float) -> None:
        with redis.Redis.from_url(self.url) as client:
            for start in range(0, count, 10_000):
                pipe = client.pipeline(transaction=False)
                for n in range(start, min(start + 10_000, count)):
                    pipe.set(f"otp:v:fill{n}", b"x", px=int(ttl * 1000))
                pipe.execute()


class Postgres(Place):
    """Its own clock cannot be set, so lives are made shorter."""

    def advance(self, seconds: float) -> None:
        with psycopg.connect(self.url) as db:
            db.execute("UPDATE otp_entries SET expires = expires - %s * interval '1 second'", (seconds,))

    def fill(self, count: int, ttl: float) -> None:
        self.store.ping()
        with psycopg.connect(self.url) as db:
            db.execute(
                "INSERT INTO otp_entries (key, value, expires)"
                " SELECT 'v:fill' || n, 'x', now() + %s * interval '1 second' FROM generate_series(0, %s) n",
                (ttl, count - 1),
            )


PLACES: dict[str, type[Place]] = {"memory": Memory, "sqlite": Sqlite, "redis": Redis, "postgres": Postgres}
SHARED = [name for name, kind in PLACES.items() if kind.shared]


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, new_store: Callable[[str], str]) -> Iterator[Place]:
    """Each kind of store in turn."""
    place = PLACES[request.param](new_store(request.param))
    yield place
    place.close()


@pytest.fixture
def store(place: Place) -> Store:
    return place.store


@pytest.fixture(params=SHARED)
def shared_place(request: pytest.FixtureRequest, new_store: Callable[[str], str]) -> Iterator[Place]:
    """Each kind of store that several processes can open."""
    place = PLACES[request.param](new_store(request.param))
    yield place
    place.close()
