"""The stores that the contract suite runs on: one row each, and nothing about them in the suite itself."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeVar

import psycopg
import pytest
import redis

from otp_app.core.store import Store
from otp_app.stores import open_store
from otp_app.stores.redis.jobs import DUE
from tests import services
from tests.conftest import require
from tests.patience import wait_long

Server = TypeVar("Server", services.Redis, services.Sentinel, services.Cluster)


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


#: Puts entries there, without those of other nodes. ARGV: the first number, the last one, the life in milliseconds.
FILL = """
    for n = ARGV[1], ARGV[2] do
        redis.pcall("SET", string.format("otp:v:fill%d", n), "x", "PX", ARGV[3])
    end
"""


class Redis(Place):
    """Its own clock cannot be set, so lives are made shorter."""

    sweeps = False

    def clients(self) -> list[redis.Redis]:
        """A client of each server that has some of the keys."""
        return [redis.Redis.from_url(self.url)]

    def advance(self, seconds: float) -> None:
        for client in self.clients():
            with client:
                cursor = "0"
                while (cursor := client.eval(AGE, 0, int(seconds * 1000), cursor)) != b"0":
                    pass
                with suppress(redis.exceptions.MovedError):  # another node of a cluster has them
                    for job, due in client.zrange(DUE, 0, -1, withscores=True):
                        client.zadd(DUE, {job: due - seconds * 1000})

    def fill(self, count: int, ttl: float) -> None:
        for client in self.clients():
            with client:
                for start in range(0, count, 100_000):
                    client.eval(FILL, 0, start, min(start + 100_000, count) - 1, int(ttl * 1000))


class Sentinel(Redis):
    def clients(self) -> list[redis.Redis]:
        host, _, path = self.url.removeprefix("redis+sentinel://").partition("/")
        service, _, db = path.partition("/")
        with redis.Redis.from_url(f"redis://{host}") as sentinel:
            master = sentinel.sentinel_master(service)
        return [redis.Redis(master["ip"], master["port"], int(db))]

    def fill(self, count: int, ttl: float) -> None:
        skip_what_takes_long(count)
        super().fill(count, ttl)


class Cluster(Redis):
    def clients(self) -> list[redis.Redis]:
        return [redis.Redis.from_url(f"redis://{node}") for node in self.url.removeprefix("redis+cluster://").split(",")]

    def fill(self, count: int, ttl: float) -> None:
        skip_what_takes_long(count)
        super().fill(count, ttl)


def skip_what_takes_long(count: int) -> None:
    """Where a Redis is found is all that differs: how one is with many entries is known from the row `redis`."""
    if count >= 100_000:
        pytest.skip("a Redis with many entries is tested once, without Sentinel or cluster")


class Postgres(Place):
    """Its own clock cannot be set, so lives are made shorter."""

    def advance(self, seconds: float) -> None:
        with psycopg.connect(self.url) as db:
            db.execute("UPDATE otp_entries SET expires = expires - %s * interval '1 second'", (seconds,))
            db.execute("UPDATE otp_jobs SET due = due - %s * interval '1 second'", (seconds,))

    def fill(self, count: int, ttl: float) -> None:
        self.store.ping()
        with psycopg.connect(self.url) as db:
            db.execute(
                "INSERT INTO otp_entries (key, value, expires)"
                " SELECT 'v:fill' || n, 'x', now() + %s * interval '1 second' FROM generate_series(0, %s) n",
                (ttl, count - 1),
            )


PLACES: dict[str, type[Place]] = {
    "memory": Memory, "sqlite": Sqlite, "redis": Redis, "sentinel": Sentinel, "cluster": Cluster, "postgres": Postgres,
}  # fmt: skip
if shutil.which("valkey-server"):  # test_redis.py says so where it is absent
    PLACES["valkey"] = Redis
SHARED = [name for name, kind in PLACES.items() if kind.shared]


@pytest.fixture(scope="session")
def sentinel_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[services.Sentinel]:
    """A sentinel and its master, which tests share."""
    server = services.Sentinel(tmp_path_factory.mktemp("sentinel"), require("redis-server"))
    yield from running(server)


@pytest.fixture(scope="session")
def cluster_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[services.Cluster]:
    """A cluster that tests share, one at a time."""
    server = services.Cluster(tmp_path_factory.mktemp("cluster"), require("redis-server"))
    yield from running(server)


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[services.Redis]:
    """A Valkey that tests share: each takes a database of its own with `new_url()`."""
    server = services.Redis(tmp_path_factory.mktemp("valkey"), "valkey-server")
    yield from running(server)


@pytest.fixture
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., services.Redis]]:
    """Call it to start a Redis that the test may do anything to; `maxmemory_policy` is its `maxmemory-policy`."""
    with ExitStack() as ends:

        def start(**options: str) -> services.Redis:
            options = {name.replace("_", "-"): value for name, value in options.items()}
            server = services.Redis(tmp_path_factory.mktemp("own-redis"), require("redis-server"), **options)
            ends.enter_context(contextmanager(running)(server))
            return server

        yield start


def running(server: Server) -> Iterator[Server]:
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def new_store(request: pytest.FixtureRequest, new_store: Callable[[str], str]) -> Callable[[str], str]:
    """Call it with sentinel, cluster and valkey too."""

    def url(kind: str) -> str:
        if kind in ("sentinel", "cluster", "valkey"):
            return str(request.getfixturevalue(f"{kind}_server").new_url())
        return new_store(kind)

    return url


@pytest.fixture
def waits_long() -> Iterator[None]:
    """Let no busy machine fail a test of what stores do: only those of faults need the time-outs of a server."""
    patch = wait_long()
    yield
    patch.undo()


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, new_store: Callable[[str], str], waits_long: None) -> Iterator[Place]:
    """Each kind of store in turn."""
    yield from opened(request, new_store)


@pytest.fixture
def store(place: Place) -> Store:
    return place.store


@pytest.fixture(params=SHARED)
def shared_place(request: pytest.FixtureRequest, new_store: Callable[[str], str], waits_long: None) -> Iterator[Place]:
    """Each kind of store that several processes can open."""
    yield from opened(request, new_store)


def opened(request: pytest.FixtureRequest, new_store: Callable[[str], str]) -> Iterator[Place]:
    place = PLACES[request.param](new_store(request.param))
    server = request.getfixturevalue("postgres_server") if request.param == "postgres" else None
    yield place
    place.close()
    if server:
        server.give_back(place.url)
