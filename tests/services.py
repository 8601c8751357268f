"""Redis and PostgreSQL for tests: processes of our own on free loopback ports, stopped by their pid."""

from __future__ import annotations

import atexit
import contextlib
import functools
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.running import free_port, wait_until

START_TIMEOUT = 60.0  # seconds: PostgreSQL makes all its files durable before it answers after a crash
OWNER = "postgres"  # Debian's user for PostgreSQL
ENVIRONMENT = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}


class Service:
    """A server process that a test may stop, kill, hold and start again with what it kept."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._names = itertools.count(1)

    def command(self) -> list[str]:
        """The command that runs it in the foreground."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Whether it can be used."""
        raise NotImplementedError

    def new_url(self) -> str:
        """The URL of an empty store that nobody uses."""
        raise NotImplementedError

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None, "it was not started"
        return self._process.pid

    def start(self, wait: bool = True) -> None:
        """Start it, and return when it can be used."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), cwd=self.folder, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        if wait:
            wait_until(self.answers, f"the start of {self.command()[0]}: {self.log()}", START_TIMEOUT)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it and wait; by force where it does not end by itself."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGCONT)
            os.kill(self._process.pid, how)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """SIGKILL to it and its children."""
        assert self._process is not None
        self._signal_all(signal.SIGKILL)
        self._process.wait()
        self._process = None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """SIGSTOP: connections stay open and nobody answers, until the end of the block."""
        self._signal_all(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal_all(signal.SIGCONT)

    def _signal_all(self, what: signal.Signals) -> None:
        """To it and its children; PostgreSQL's lead process groups of their own."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        for pid in (self.pid, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, what)

    def log(self) -> str:
        """What it said."""
        log = self.folder / "log"
        return log.read_text(errors="replace")[-2000:] if log.exists() else ""


class Redis(Service):
    """A Redis server, or another that speaks its protocol. `options`: such as `appendonly="yes"`."""

    def __init__(self, folder: Path, binary: str = "redis-server", **options: str) -> None:
        super().__init__(folder)
        self._binary = binary
        self.options = {"databases": "1000", "save": "", "appendonly": "no"} | options

    def command(self) -> list[str]:
        """Nothing but the options given and the folder."""
        options = self.options | {"port": str(self.port), "bind": "127.0.0.1", "dir": str(self.folder)}
        return [self._binary, *itertools.chain(*((f"--{name}", value) for name, value in options.items()))]

    def answers(self) -> bool:
        """Whether it has loaded its data."""
        with contextlib.suppress(redis.RedisError), self.client() as client:
            return bool(client.ping())
        return False

    def client(self, db: int = 0) -> redis.Redis:
        """A client for tests, which tries everything once."""
        return redis.Redis("127.0.0.1", self.port, db, retry=Retry(NoBackoff(), 0))

    def new_url(self) -> str:
        """A database of its own."""
        return f"redis://127.0.0.1:{self.port}/{next(self._names)}"


SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"


class Postgres(Service):
    """A PostgreSQL server, which never runs as root. `options`: such as `max_connections="20"`."""

    def __init__(self, folder: Path, programs: Path, **options: str) -> None:
        super().__init__(folder)
        self._programs, self.options = programs, options
        self._empty: list[str] = []  # the URLs of databases that were given back
        folder.chmod(0o755)
        give_to_postgres(folder)
        _run("cp", "-a", _new_cluster(programs), folder / "data")

    def command(self) -> list[str]:
        """Loopback only, its socket in its own folder, durable as by default."""
        own = {"port": str(self.port), "listen_addresses": "127.0.0.1", "unix_socket_directories": str(self.folder)}
        options = (f"-c{name}={value}" for name, value in (self.options | own).items())
        return _as_postgres(self._programs / "postgres", "-D", self.folder / "data", *options)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """By default PostgreSQL's fast end: connections are closed, what runs is rolled back."""
        super().stop(how)

    def answers(self) -> bool:
        """Whether it takes connections."""
        with contextlib.suppress(psycopg.OperationalError), self.client():
            return True
        return False

    def client(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """A connection for tests, which commits each statement."""
        return psycopg.connect(self.url(database), autocommit=True)

    def url(self, database: str) -> str:
        """The URL of a database."""
        return f"postgresql://otp@127.0.0.1:{self.port}/{database}"

    def new_url(self) -> str:
        """A database of its own."""
        if self._empty:
            return self._empty.pop()
        name = f"otp{next(self._names)}"
        with self.client() as db:
            db.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)

    def give_back(self, url: str) -> None:
        """Let a later test have a database whose settings are those of a new one: to make one takes ten times as long
        as to empty one.
        """
        with psycopg.connect(url, autocommit=True) as db:
            if db.execute(SESSIONS).fetchone() == (1,):
                db.execute("DROP SCHEMA public CASCADE")
                db.execute("CREATE SCHEMA public")
                self._empty.append(url)


@functools.cache
def _new_cluster(programs: Path) -> Path:
    """A cluster to copy, made once by this process: to make one takes five times as long."""
    folder, ours = Path(tempfile.mkdtemp(prefix="otp-postgres-new-")), os.getpid()
    atexit.register(lambda: shutil.rmtree(folder) if os.getpid() == ours else None)
    give_to_postgres(folder)
    how = ["-A", "trust", "-U", "otp", "--no-sync", "--encoding=UTF8"]
    _run(programs / "initdb", "-D", folder / "data", *how)
    return folder / "data"


def give_to_postgres(folder: Path) -> None:
    """Let PostgreSQL write to a folder."""
    if os.geteuid() == 0:
        shutil.chown(folder, OWNER)


def _as_postgres(*command: str | Path) -> list[str]:
    """A command that runs as Debian's user for PostgreSQL where the tests run as root.

    With `Popen(user=…)` Python forks, and gRPC, where a test of this process has used it, may hold the child for ever.
    """
    start = ["setpriv", f"--reuid={OWNER}", f"--regid={OWNER}", "--clear-groups"] if os.geteuid() == 0 else []
    return [*start, *map(str, command)]


def _run(*command: str | Path) -> None:
    subprocess.run(
        _as_postgres(*command), cwd="/", env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        check=True,
    )  # fmt: skip


def postgres_programs() -> Path | None:
    """Where Debian keeps the newest PostgreSQL's programs, which are not on the PATH; None: there are none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("postgres")
    if not found and not on_path:
        return None
    if os.geteuid() == 0 and OWNER not in {user.pw_name for user in pwd.getpwall()}:
        return None
    return (found[-1] if found else Path(str(on_path))).parent


class Sentinel(Service):
    """A Redis sentinel with the master that it watches as `otp`, and a replica if wanted. `servers[0]` is the master
    at the start; a test may stop, kill and hold each of them.
    """  # fmt: skip

    def __init__(self, folder: Path, binary: str = "redis-server", replicas: int = 0) -> None:
        super().__init__(folder)
        self._binary = binary
        no_wait = {"repl-diskless-sync-delay": "0"}  # for more replicas that might come
        self.servers = [Redis(_inner(folder, f"server{n}"), binary, **no_wait) for n in range(1 + replicas)]

    def command(self) -> list[str]:
        """It writes to its own configuration file."""
        return [self._binary, str(self.folder / "sentinel.conf"), "--sentinel"]

    def start(self, wait: bool = True) -> None:
        """Start the servers, and once all replicas have their data the sentinel."""
        for server in self.servers:
            server.start()
        for replica in self.servers[1:]:
            with replica.client() as client:
                client.replicaof("127.0.0.1", str(self.servers[0].port))
                wait_until(lambda client=client: client.info()["master_link_status"] == "up", "a replica")
        (self.folder / "sentinel.conf").write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {self.folder}\n"
            f"sentinel monitor otp 127.0.0.1 {self.servers[0].port} 1\n"
            "sentinel down-after-milliseconds otp 200\nsentinel failover-timeout otp 1000\n"
        )
        super().start(wait)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End them all."""
        super().stop(how)
        for server in self.servers:
            server.stop()

    def answers(self) -> bool:
        """Whether it knows the master and all replicas."""
        retry = Retry(NoBackoff(), 0)
        with contextlib.suppress(redis.RedisError), redis.Redis("127.0.0.1", self.port, retry=retry) as client:
            return bool(client.sentinel_master("otp")["num-slaves"] == len(self.servers) - 1)
        return False

    def new_url(self) -> str:
        """A database of its own."""
        return f"redis+sentinel://127.0.0.1:{self.port}/otp/{next(self._names)}"


SLOTS = [(0, 5460), (5461, 10922), (10923, 16383)]  # of the nodes of a cluster


class Cluster:
    """A Redis cluster of three masters, each with its third of the slots. Its start takes 2 s: Redis' own wait."""

    def __init__(self, folder: Path, binary: str = "redis-server") -> None:
        self.nodes = [self._node(_inner(folder, f"node{n}"), binary) for n in range(3)]

    def _node(self, folder: Path, binary: str) -> Redis:
        bus = str(free_port())  # by default 10000 more than the port, which may be no port
        return Redis(folder, binary, databases="1", **{"cluster-enabled": "yes", "cluster-port": bus})

    def start(self) -> None:
        """Start the nodes, make them one cluster, and return when it can be used."""
        for node in self.nodes:
            node.start()
        with contextlib.ExitStack() as opened:
            clients = [opened.enter_context(node.client()) for node in self.nodes]
            for number, (client, (first, last)) in enumerate(zip(clients, SLOTS, strict=True), start=1):
                client.execute_command("CLUSTER ADDSLOTSRANGE", first, last)
                client.execute_command("CLUSTER SET-CONFIG-EPOCH", number)
            for node in self.nodes[1:]:
                clients[0].execute_command("CLUSTER MEET", "127.0.0.1", node.port, node.options["cluster-port"])
            wait_until(lambda: all(map(_whole, clients)), "the cluster", START_TIMEOUT)

    def stop(self) -> None:
        """End them all."""
        for node in self.nodes:
            node.stop()

    def new_url(self) -> str:
        """A cluster has one database only: it is emptied, so whoever had a URL before has nothing more."""
        for node in self.nodes:
            with node.client() as client:
                client.flushall()
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)


def _inner(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name


def _whole(node: redis.Redis) -> bool:
    return node.execute_command("CLUSTER INFO")["cluster_state"] == "ok"
