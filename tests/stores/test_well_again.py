"""A store that is well again is used again by the next calls, without a restart, whatever made it ill."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
import redis

from otp_app.core.errors import StoreUnavailable
from otp_app.core.store import Store
from otp_app.stores.postgres.pool import CONNECTIONS
from otp_app.stores.postgres.store import PostgresStore
from otp_app.stores.redis.store import RedisStore
from tests.conftest import require
from tests.faults.conftest import small_file_system
from tests.faults.load import at_once
from tests.faults.proxy import Proxy
from tests.running import wait_until
from tests.services import Postgres, Redis

HOUR = 3600.0
CALLS = 2 * CONNECTIONS  # so many that each connection of a pool has its turn
PREPARED = 6  # psycopg prepares a statement that it has executed so often


def fault(store: Store) -> str:
    """What keeps the store from taking a change and counting; "" where nothing does."""
    try:
        store.swap("k", None, b"x", HOUR)
        store.add("c", 1, HOUR)
        store.add("c", 0, HOUR)
    except StoreUnavailable as error:
        return str(error)
    return ""


def faults(store: Store) -> list[str]:
    """The faults of so many calls, one after the other."""
    return [said for _ in range(CALLS) if (said := fault(store))]


# ---- PostgreSQL


@pytest.fixture
def url(postgres_server: Postgres) -> str:
    return postgres_server.new_url()


@pytest.fixture
def store(url: str) -> Iterator[PostgresStore]:
    with closing(PostgresStore(url)) as store:
        yield store


def fill(store: PostgresStore) -> None:
    """Open all connections that the pool may have, and use each as if the store had run for long."""
    with ExitStack() as lent:
        for _ in range(CONNECTIONS):
            lent.enter_context(store._pool.connection())
    for _ in range(CONNECTIONS * PREPARED):
        store.add("c", 0, HOUR)


END_SESSIONS = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = '{name}'
"""
KINDS: dict[str, tuple[list[str], str, list[str]]] = {
    "read-only sessions": (
        ["ALTER DATABASE {name} SET default_transaction_read_only = on", END_SESSIONS],
        "read-only",
        ["SET default_transaction_read_only = off", "ALTER DATABASE {name} RESET default_transaction_read_only"],
    ),
    "a renamed table": (
        ["ALTER TABLE otp_entries RENAME TO away"],
        "a table is gone: restore it",
        ["ALTER TABLE away RENAME TO otp_entries"],
    ),
    "a dropped table": (
        ["CREATE TABLE saved (LIKE otp_entries INCLUDING ALL)", "DROP TABLE otp_entries"],
        "a table is gone: restore it",
        ["ALTER TABLE saved RENAME TO otp_entries"],
    ),
    "statements planned for another table": (
        ["ALTER TABLE otp_entries RENAME count TO counted"],
        "",
        ["ALTER TABLE otp_entries RENAME counted TO count", "ALTER TABLE otp_entries ALTER count TYPE numeric"],
    ),
    "sessions ended": ([END_SESSIONS], "", []),
}


@pytest.mark.usefixtures("waits_long")
@pytest.mark.parametrize("kind", KINDS)
def test_postgres_that_is_well_again_costs_one_call_at_most(url: str, store: PostgresStore, kind: str) -> None:
    """Not one for each connection: a session that began before the fault may have kept its cause, so it is closed."""
    ill, message, well = KINDS[kind]
    name = url.rpartition("/")[2]
    store.ping()
    fill(store)
    with psycopg.connect(url, autocommit=True) as db:
        for statement in ill:
            db.execute(statement.format(name=name).encode())
        fill_ill(store)
        assert not message or message in fault(store)
        for statement in well:
            db.execute(statement.format(name=name).encode())
    assert len(faults(store)) <= 1
    assert faults(store) == []


def fill_ill(store: PostgresStore) -> None:
    """Let all connections of the pool be of the time in which the store is ill."""
    with suppress(StoreUnavailable), ExitStack() as lent:
        for _ in range(CONNECTIONS):
            lent.enter_context(store._pool.connection())


def test_a_database_that_was_dropped_and_restored_is_used_again(
    url: str, store: PostgresStore, postgres_server: Postgres
) -> None:
    """Its connections are all gone, and none can be made until it is there."""
    name = url.rpartition("/")[2]
    store.ping()
    with postgres_server.client() as db:
        db.execute(END_SESSIONS.format(name=name).encode())
        db.execute(f"CREATE DATABASE {name}_saved TEMPLATE {name}".encode())
        fill(store)
        db.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
        assert len(faults(store)) == CALLS
        db.execute(f"ALTER DATABASE {name}_saved RENAME TO {name}".encode())
    wait_until(lambda: not fault(store), "the first success")
    assert faults(store) == []


# ---- Redis


@contextmanager
def own_redis(folder: Path, **options: str) -> Iterator[Redis]:
    """A Redis that keeps its files in a folder."""
    server = Redis(folder, require("redis-server"), **options)
    server.start()
    try:
        yield server
    finally:
        server.kill()  # it cannot save anything on a full disk


@contextmanager
def opened(url: str) -> Iterator[RedisStore]:
    store = RedisStore(url)
    with closing(store):
        assert not fault(store)
        yield store


def full(filler: Path) -> None:
    """Use up the disk."""
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass


@pytest.mark.usefixtures("waits_long")
@pytest.mark.parametrize(
    "options", [{"save": "3600 1000000"}, {"appendonly": "yes"}], ids=["snapshots", "append-only file"]
)
def test_redis_whose_disk_was_full_costs_no_call_once_it_saves_again(tmp_path: Path, options: dict[str, str]) -> None:
    """It says that its disk refuses it, and takes changes as soon as it could write."""
    with small_file_system(tmp_path / "disk") as folder, own_redis(folder, **options) as server:
        url = server.new_url()
        with opened(url) as store, server.client() as client:
            full(folder / "filler")
            wait_until(lambda: "cannot write to its disk" in saved(client, store), "the refusal of a full disk")
            assert len(faults(store)) == CALLS
            (folder / "filler").unlink()
            wait_until(lambda: writes(client), "a save")
            assert faults(store) == []


def saved(client: redis.Redis, store: Store) -> str:
    """What the store says once Redis tried to save."""
    with suppress(redis.ResponseError):  # a save is under way
        client.bgsave()
    return fault(store)


def writes(client: redis.Redis) -> bool:
    """Whether Redis could write at its last attempt; it makes another of either kind."""
    with suppress(redis.ResponseError):
        client.bgsave()
    state = client.info("persistence")
    return state["rdb_last_bgsave_status"] == state["aof_last_write_status"] == "ok"


@pytest.mark.usefixtures("waits_long")
def test_redis_that_ran_a_long_script_costs_no_call_once_it_is_killed(tmp_path: Path) -> None:
    """It says which command ends the script."""
    with own_redis(tmp_path, **{"busy-reply-threshold": "50"}) as server, opened(server.new_url()) as store:
        script = threading.Thread(target=endless, args=(server,))
        script.start()
        wait_until(lambda: "SCRIPT KILL" in fault(store), "the refusal of a busy Redis")
        with server.client() as client:
            client.script_kill()
        script.join()
        assert faults(store) == []


def endless(server: Redis) -> None:
    """Run a script until somebody kills it."""
    with suppress(redis.RedisError), server.client() as client:
        client.eval("while true do end", 0)


@pytest.mark.usefixtures("waits_long")
def test_a_failover_behind_one_address_costs_one_call_at_most(tmp_path: Path) -> None:
    """Connections to the old primary, which is a replica now, are closed: a new one reaches the new primary."""
    folders = [tmp_path / "old", tmp_path / "new"]
    for folder in folders:
        folder.mkdir()
    with ExitStack() as ends:
        old, new = (ends.enter_context(own_redis(folder)) for folder in folders)
        proxy = ends.enter_context(Proxy(old.port))
        store = ends.enter_context(opened(f"redis://127.0.0.1:{proxy.port}/0"))
        at_once(CONNECTIONS, lambda _: fault(store))
        with old.client() as client:
            client.replicaof("127.0.0.1", str(new.port))
        assert "a replica" in fault(store)
        proxy.lead_to(new.port)
        assert len(faults(store)) <= 1
        assert faults(store) == []
