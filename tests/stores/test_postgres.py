"""What is PostgreSQL's own: its schema, its settings, its connections, and what the operator reads of it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import psycopg
import pytest

from otp_app.core.errors import StoreUnavailable
from otp_app.core.moving import Freeze
from otp_app.core.store import Store
from otp_app.stores.postgres.store import PostgresStore
from tests.conftest import postgres_folder, require_postgres
from tests.faults.load import at_once
from tests.running import KEYS, ROOT
from tests.services import Postgres
from tests.stores.faults import in_thread

HOUR = 3600.0
PASSWORD = "very-secret"
USE = """
import sys
from otp_app.stores import open_store
store = open_store(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(store.add("c", 1, 3600))
store.close()
"""


@pytest.fixture
def url(postgres_server: Postgres) -> str:
    """An empty database."""
    return postgres_server.new_url()


@pytest.fixture
def store(url: str) -> Iterator[PostgresStore]:
    with closing(PostgresStore(url)) as store:
        yield store


@pytest.fixture
def db(url: str) -> Iterator[psycopg.Connection]:
    """Another's connection to the same database."""
    with psycopg.connect(url, autocommit=True) as db:
        yield db


def one(db: psycopg.Connection, question: str) -> object:
    return db.execute(question.encode()).fetchall()[0][0]


# ---- how the server is set up


@pytest.mark.parametrize("ahead", [100.0, -100.0])
def test_a_clock_that_differs_is_reported(url: str, ahead: float) -> None:
    """Codes that others began would be void here, or live too long."""
    with closing(PostgresStore(url, lambda: time.time() + ahead)) as store:
        (line,) = store.advice()
    said = float(line.split()[4])
    assert said == pytest.approx(ahead, abs=5)
    with closing(PostgresStore(url)) as store:
        assert store.advice() == []


def test_a_database_with_another_isolation_and_encoding_is_used_as_any(url: str, db: psycopg.Connection) -> None:
    """Under repeatable read, two that count at the same moment would both be refused."""
    database = url.rpartition("/")[2]
    db.execute(f"ALTER DATABASE {database} SET default_transaction_isolation = 'repeatable read'".encode())
    db.execute(f"ALTER DATABASE {database} SET client_encoding = 'sql_ascii'".encode())
    with closing(PostgresStore(url)) as store, ThreadPoolExecutor(3) as threads:
        store.ping()  # makes the tables, for which the others would wait no longer than for an answer
        assert sorted(threads.map(lambda _: store.add("c", 1, HOUR), range(200))) == list(range(1, 201))
        assert store.faults() == []


def test_a_thaw_does_not_stop_everybody_behind_a_reader(store: PostgresStore, db: psycopg.Connection) -> None:
    """It needs the whole table; a backup that reads it may take an hour."""
    store.swap("k", None, b"a", HOUR)
    store.freeze(Freeze.MOVING)
    with db.transaction():
        db.execute("SELECT * FROM otp_entries")
        with pytest.raises(StoreUnavailable, match="its table is locked"):
            store.thaw()
        assert store.get("k") == b"a"
    store.thaw()
    assert store.swap("k", b"a", b"b", HOUR).won


# ---- the schema


def test_eight_servers_start_at_once_on_an_empty_database(url: str, db: psycopg.Connection) -> None:
    """Every one of them works, and the schema was made once."""
    command = [sys.executable, "-c", USE, url]
    pipe = subprocess.PIPE
    started = [subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) for _ in range(8)]
    assert [process.stdout.readline() for process in started] == ["ready\n"] * 8  # type: ignore[union-attr]
    for process in started:
        process.stdin.write("go\n")  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]
    answers = [process.communicate(timeout=60)[0] for process in started]
    assert sorted(map(int, answers)) == list(range(1, 9))
    assert db.execute("SELECT version FROM otp_schema").fetchall() == [(1,), (2,)]


@pytest.mark.parametrize("tables", ["otp_entries, otp_schema", "otp_entries, otp_jobs, otp_schema"])
def test_a_store_that_was_emptied_by_hand_is_used_again(
    url: str, store: PostgresStore, db: psycopg.Connection, tables: str
) -> None:
    """Nothing of it is left, not even a freeze; releases before told to drop two of the tables."""
    store.jobs.put("job", b"", 0)
    store.freeze(Freeze.MOVED)
    db.execute(f"DROP TABLE {tables}".encode())
    with closing(PostgresStore(url)) as emptied:
        assert emptied.swap("k", None, b"a", HOUR).won
        assert emptied.jobs.next_in() is None
        emptied.jobs.put("job", b"", 0)


def test_a_database_of_a_newer_release_is_used(url: str, store: Store, db: psycopg.Connection) -> None:
    """Both releases run side by side while servers are replaced one by one."""
    store.ping()
    db.execute("INSERT INTO otp_schema (version) VALUES (3), (4)")
    with closing(PostgresStore(url)) as older:
        assert older.swap("k", None, b"a", HOUR).won


def poor(url: str, db: psycopg.Connection) -> str:
    """The URL of somebody who may connect, and no more."""
    db.execute("DROP ROLE IF EXISTS poor; CREATE ROLE poor LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    return url.replace("otp@", "poor@")


def test_who_may_not_make_tables_uses_those_that_are_there(url: str, store: Store, db: psycopg.Connection) -> None:
    """The operator makes them once with another user."""
    store.ping()
    with closing(PostgresStore(poor(url, db))) as theirs:
        db.execute("GRANT SELECT, UPDATE ON otp_schema TO poor")
        db.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON otp_entries TO poor")
        theirs.ping()
        assert theirs.swap("k", None, b"a", HOUR).won
        assert theirs.add("c", 1, HOUR) == 1
        assert theirs.sweep(10) == 0
        db.execute("DROP OWNED BY poor; DROP ROLE poor")


def test_a_user_without_the_right_to_create_tables_is_reported(url: str, db: psycopg.Connection) -> None:
    with closing(PostgresStore(poor(url, db))) as theirs, pytest.raises(StoreUnavailable, match="may not make"):
        theirs.ping()
    db.execute("DROP ROLE poor")


# ---- the URL


def test_nothing_is_connected_before_first_use() -> None:
    """So that start-up can ask about a store, and a fork can come after."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.3)
        url = f"postgresql://127.0.0.1:{listener.getsockname()[1]}/db"
        with closing(PostgresStore(url)), pytest.raises(TimeoutError):
            listener.accept()


@pytest.mark.parametrize(
    "form",
    [
        "postgres://otp@127.0.0.1:{port}/{name}",
        "postgresql://otp:{password}@127.0.0.1:{port}/{name}?pool=2&connect_timeout=3",
        "postgresql:///{name}?host={folder}&port={port}&user=otp",
        "postgresql://otp@%2F{escaped}:{port}/{name}?pool=1",
        "postgresql://otp@127.0.0.1:1,127.0.0.1:{port}/{name}?target_session_attrs=read-write",
        "postgresql://otp@127.0.0.1:{port}/{name}?options=-c%20work_mem%3D1MB&application_name=a+b",
    ],
)
def test_every_form_of_a_url_works(url: str, postgres_server: Postgres, form: str) -> None:
    """Of libpq, with its options to the letter."""
    folder, name = str(postgres_server.folder), url.rpartition("/")[2]
    escaped = folder[1:].replace("/", "%2F")
    text = form.format(port=postgres_server.port, name=name, folder=folder, escaped=escaped, password=PASSWORD)
    with closing(PostgresStore(text)) as store:
        store.ping()


def test_options_reach_the_server_to_the_letter(url: str, db: psycopg.Connection) -> None:
    """A plus is a plus, as libpq has it, and an escaped space is a space."""
    with closing(PostgresStore(f"{url}?application_name=a+b%20c&pool=1")) as store:
        store.ping()
        assert one(db, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'a+b c'") == 1


@pytest.mark.parametrize(
    "tail",
    ["host:port/db", "host:5432x/db", "host/db?nonsense=1", "host/db?pool=0", "host/db?pool=1001", "host/db?pool=",
     "host/db?pool=ten", "[::1/db", "host/%zz", "half@host/db"],
)  # fmt: skip
def test_a_bad_url_is_refused_without_its_password(tail: str) -> None:
    with pytest.raises(ValueError, match=r"^(write postgresql://|pool is)") as refused:
        PostgresStore(f"postgresql://otp:{PASSWORD}@{tail}")
    assert PASSWORD not in str(refused.value)
    assert refused.value.__cause__ is None


# ---- connections


@pytest.mark.usefixtures("waits_long")
@pytest.mark.parametrize("most", [1, 3])
def test_64_threads_open_no_more_connections_than_allowed(url: str, db: psycopg.Connection, most: int) -> None:
    """All of them are answered, and `pool` is never passed."""
    seen: list[object] = []
    end = threading.Event()

    def watch() -> None:
        while not end.is_set():
            seen.append(one(db, "SELECT count(*) - 1 FROM pg_stat_activity WHERE datname = current_database() "
                                "AND backend_type = 'client backend'"))  # not a vacuum of the server's own

    watcher = threading.Thread(target=watch)
    watcher.start()
    with closing(PostgresStore(f"{url}?pool={most}")) as store:
        store.ping()
        assert sorted(at_once(64, lambda _: store.add("c", 1, HOUR))) == list(range(1, 65))
    end.set()
    watcher.join()
    assert max(seen) == most  # type: ignore[type-var]


@pytest.mark.parametrize(("default", "ours"), [("off", "on"), ("local", "on"), ("remote_write", "on"),
                                               ("on", "on"), ("remote_apply", "remote_apply")])  # fmt: skip
def test_every_connection_is_durable_and_bounded(url: str, db: psycopg.Connection, default: str, ours: str) -> None:
    """Whatever the database's own settings are; stronger ones stay."""
    name = url.rpartition("/")[2]
    db.execute(f"ALTER DATABASE {name} SET synchronous_commit = {default}".encode())
    db.execute(f"ALTER DATABASE {name} SET statement_timeout = 0".encode())
    with closing(PostgresStore(f"{url}?pool=3")) as store:
        store.ping()
        said = at_once(12, lambda _: (asked(store, "synchronous_commit"), asked(store, "statement_timeout")))
    assert set(said) == {(ours, "400ms")}


def asked(store: PostgresStore, setting: str) -> object:
    """What holds on one of the store's connections."""
    with store._pool.connection() as db:
        return db.execute("SELECT current_setting(%s), pg_sleep(0.01)", (setting,)).fetchall()[0][0]


def test_a_statement_that_is_given_up_costs_no_connection(url: str, db: psycopg.Connection) -> None:
    """The server itself ends it and says so: the connection lives, and nobody else is refused for it."""
    with closing(PostgresStore(f"{url}?pool=1")) as store:
        store.swap("k", None, b"a", HOUR)
        before = asked_pid(store)
        with db.transaction():
            db.execute("SELECT FROM otp_entries FOR UPDATE")
            with pytest.raises(StoreUnavailable, match="too long"):
                store.swap("k", b"a", b"b", HOUR)
            assert store.get("k") == b"a"
        assert store.get("k") == b"a"
        assert asked_pid(store) == before


def asked_pid(store: PostgresStore) -> int:
    with store._pool.connection() as db:
        return db.info.backend_pid


def test_a_crowd_is_not_taken_for_a_server_that_is_away(url: str) -> None:
    """Some wait too long for a connection, as others have them: they fail, and the next caller does not."""
    end = threading.Event()
    with closing(PostgresStore(f"{url}?pool=1")) as store:
        store.ping()

        def occupy() -> None:
            while not end.is_set():
                with suppress(StoreUnavailable), store._pool.connection() as db:
                    db.execute("SELECT pg_sleep(0.2)")

        crowd = [in_thread(occupy) for _ in range(5)]
        said = refused_once(store), refused_once(store)
        end.set()
        for thread in crowd:
            thread.join()
    assert set(said) == {"The store is not available (too many wait for it)"}


def refused_once(store: PostgresStore) -> str:
    """Read until that is refused, and return what was said."""
    while True:
        try:
            store.get("k")
        except StoreUnavailable as fault:
            return str(fault)


FORK = """
import os, sys
from otp_app.stores import open_store
first = open_store(sys.argv[1])
first.add("c", 1, 3600)
first.close()
store = open_store(sys.argv[1])
children = []
for _ in range(3):
    if not (pid := os.fork()):
        store.add("c", 1, 3600)
        os._exit(0)
    children.append(pid)
assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0]
print(store.add("c", 1, 3600))
store.close()
"""


def test_a_store_opened_before_a_fork_and_used_after_it_works(url: str) -> None:
    """As under gunicorn: the parent tries the store and closes it, each child uses one of its own."""
    ran = subprocess.run([sys.executable, "-c", FORK, url], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (ran.stdout.strip(), ran.stderr) == ("5", "")


# ---- sweeping


@pytest.mark.usefixtures("waits_long")
def test_two_servers_sweep_each_row_once_beside_swaps(url: str, store: PostgresStore, db: psycopg.Connection) -> None:
    """Four sweepers of two servers and four writers: no deadlock, and as many rows go as were over."""
    store.ping()
    db.execute(
        "INSERT INTO otp_entries (key, value, expires)"
        " SELECT 'v:over' || n, 'x', now() - interval '1 second' FROM generate_series(1, 5000) n"
    )

    def work(number: int) -> int:
        if number < 4:
            return sum((store, other)[number % 2].sweep(500) for _ in range(6))
        return -sum(store.swap(f"over{n}", None, b"new", HOUR).won for n in range(number, 5000, 50))

    with closing(PostgresStore(url)) as other:
        done = at_once(8, work)
        done[0] += sum(other.sweep(5000) for _ in range(2))
    assert one(db, "SELECT count(*) FROM otp_entries WHERE expires <= now()") == 0
    assert one(db, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0
    revived = -sum(done[4:])
    assert one(db, "SELECT count(*) FROM otp_entries") == revived
    # A row that was put anew in the place of one that is over was either swept before, or is not swept at all.
    assert 5000 - revived <= sum(done[:4]) <= 5000


# ---- what the operator reads


def check(url: str) -> tuple[int, list[str]]:
    """The exit status and the lines of `python -m otp_app check`."""
    environment = {"PATH": os.environ["PATH"], "OTP_STORE_URL": url, "OTP_CHANNELS": "console"} | KEYS
    ran = subprocess.run([sys.executable, "-m", "otp_app", "check"], cwd=ROOT, env=environment, capture_output=True,
                         text=True, timeout=60, check=False)  # fmt: skip
    return ran.returncode, (ran.stdout + ran.stderr).splitlines()


@pytest.fixture(scope="module")
def strict_postgres() -> Iterator[Postgres]:
    """One that asks everybody but its superuser for a password, and does not flush its files."""
    with postgres_folder() as folder:
        server = Postgres(folder, require_postgres(), fsync="off")
        hosts = "host all otp 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        (folder / "data/pg_hba.conf").write_text(hosts)
        server.start()
        with server.client() as db:
            db.execute("CREATE ROLE app LOGIN PASSWORD 'right'")
        yield server
        server.stop()


@pytest.mark.parametrize(
    ("user", "database", "message"),
    [
        ("app:very-secret", "postgres", 'password authentication failed for user "app"'),
        ("app:right", "nowhere", 'database "nowhere" does not exist'),
        ("app:right", "postgres", "may not make or use our tables"),
        ("otp", "postgres", "fsync"),
    ],
)
def test_a_fault_is_reported_in_one_line(strict_postgres: Postgres, user: str, database: str, message: str) -> None:
    """The setting and the reason; no traceback and no password."""
    status, lines = check(f"postgresql://{user}@127.0.0.1:{strict_postgres.port}/{database}")
    assert (status, len(lines)) == (1, 1), lines
    assert lines[0].startswith("OTP_STORE_URL: ")
    assert message in lines[0]
    assert not any(password in lines[0] for password in ("very-secret", "right"))


def test_a_server_that_is_away_is_reported_too() -> None:
    """With its address, which the operator gave."""
    status, lines = check(f"postgresql://app:{PASSWORD}@127.0.0.1:1/db")
    assert (status, len(lines)) == (1, 1), lines
    assert "127.0.0.1" in lines[0]
    assert "Connection refused" in lines[0]
    assert PASSWORD not in lines[0]


def test_a_server_starts_beside_a_host_that_does_not_answer(url: str, postgres_server: Postgres) -> None:
    """The first of the hosts is off, as after a failover: libpq waits for it, and then asks the next one."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        own = f"127.0.0.1:{postgres_server.port}"
        assert own in url
        status, lines = check(url.replace(own, f"127.0.0.1:{silent.getsockname()[1]},{own}"))
    assert (status, [line for line in lines if "OTP_STORE_URL" in line]) == (0, []), lines


@pytest.mark.parametrize("had", [0, 1, 2])
def test_a_system_without_threads_for_the_connections_fails_requests_until_it_has_some(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch, had: int
) -> None:
    """With a part of its threads a pool would open no connection, for ever."""
    started = []

    def start_some(thread: threading.Thread) -> None:
        if len(started) == had:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    start = threading.Thread.start
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start_some)
        with pytest.raises(StoreUnavailable, match="no thread can be started"):
            store.get("a")
    assert store.get("a") is None
    assert not any(thread.is_alive() for thread in started)
