"""What tests of several folders share: the running server, the stand-in for Twilio, and the rule for absent tools."""

from __future__ import annotations

import functools
import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import typing
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from werkzeug.routing import Rule

from otp_app.apis import APIS
from tests.forking import Forking, shared
from tests.provider import Provider
from tests.rabbit import Rabbit, is_here
from tests.running import RunningServer
from tests.services import Postgres, Redis, postgres_programs
from tests.spreading import ByServer, long_first
from tests.web.documented import PROOF_KEYS
from tests.web.site import Site

# A busy machine makes examples slowly, which says nothing about what they are tried on.
TOO_SLOW = [hypothesis.HealthCheck.too_slow]
hypothesis.settings.register_profile("any machine", deadline=None, suppress_health_check=TOO_SLOW)
hypothesis.settings.load_profile("any machine")


# A server never makes the address of a view, and to compile what would is a fifth of opening one in a test.
COMPILE = Rule._compile_builder
Rule._compile_builder = lambda *how: lambda *values, **named: COMPILE(*how)(*values, **named)

# Python 3.11 lists the names of a protocol at each isinstance, which was half of the time of a history; 3.12 does once.
if sys.version_info < (3, 12):
    typing._get_protocol_attrs = functools.cache(typing._get_protocol_attrs)


class Compiled(BytecodeCache):
    """Templates that this process has compiled, for the next server that a test opens: the page of /docs is long."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Any] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Take what was kept of the same text."""
        bucket.code = self._kept.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep it."""
        self._kept[bucket.key, bucket.checksum] = bucket.code


Flask.jinja_options = {"bytecode_cache": Compiled()}


def absent(what: str) -> None:
    """Skip and say why; where everything must be there (CI=true), fail instead."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"needs {what}, which is not here")


def require(binary: str) -> str:
    """The path of a program that a test cannot do without."""
    if path := shutil.which(binary):
        return path
    absent(binary)
    raise AssertionError("absent() does not return")


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A Redis that tests share: each takes a database of its own with `new_url()`."""
    server = Redis(tmp_path_factory.mktemp("redis"), require("redis-server"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A PostgreSQL that tests share: each takes a database of its own with `new_url()`.

    It is ended without writing down what nobody wants any more.
    """
    with postgres_folder() as folder:
        server = Postgres(folder, require_postgres())
        server.start()
        yield server
        server.stop(signal.SIGQUIT)


@pytest.fixture
def forking() -> Forking:
    """What runs commands that end by themselves."""
    return shared()


@contextmanager
def postgres_folder() -> Iterator[Path]:
    """A folder that PostgreSQL's own user can reach, which pytest's are not."""
    with tempfile.TemporaryDirectory(prefix="otp-postgres-") as folder:
        yield Path(folder)


def require_postgres() -> Path:
    """Where PostgreSQL's programs are."""
    if programs := postgres_programs():
        return programs
    absent("postgresql")
    raise AssertionError("absent() does not return")


@pytest.fixture(scope="session")
def rabbit_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rabbit]:
    """A RabbitMQ of these tests alone."""
    if not is_here():
        absent("rabbitmq-server")
    server = Rabbit(tmp_path_factory.mktemp("rabbit"))
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def rabbit(rabbit_server: Rabbit) -> Rabbit:
    """That broker, without exchange and queues: tests share it one after another."""
    rabbit_server.empty()
    return rabbit_server


@pytest.fixture(scope="session")
def new_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Call it with memory, sqlite, redis or postgres to get the URL of an empty store of that kind."""

    def url(kind: str) -> str:
        if kind == "memory":
            return "memory://"
        if kind == "sqlite":
            return f"sqlite:///{tmp_path_factory.mktemp('store')}/otp.db"
        service = request.getfixturevalue(f"{kind}_server")
        return str(service.new_url())

    return url


@pytest.fixture
def fake_twilio() -> Iterator[Provider]:
    """A running stand-in; a test fails whose requests departed from Twilio's documents."""
    with Provider() as provider:
        yield provider
        assert provider.violations == []


@pytest.fixture
def server(tmp_path: Path, fake_twilio: Provider) -> Iterator[Callable[..., RunningServer]]:
    """Call it to start a server on the stand-in (see RunningServer for its arguments); it stops with the test.

    With start=False it is still to be started.
    """
    with ExitStack() as running:

        def make(*, start: bool = True, **settings: Any) -> RunningServer:
            made = RunningServer(tmp_path, fake_twilio.url, **settings)
            running.callback(made.stop)
            return made.start() if start else made

        yield make


# ---- servers in this process


@pytest.fixture
def open_site() -> Iterator[Callable[..., Site]]:
    """Call it with settings to get a server that is closed with the test."""
    with ExitStack() as opened:
        yield lambda **given: opened.enter_context(closing(Site(**given)))


@pytest.fixture
def site(open_site: Callable[..., Site]) -> Site:
    """A server with the default settings, reached from this machine."""
    return open_site()


@pytest.fixture(scope="module")
def all_there_is(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The settings of a server of all APIs, whose directory has the user abc."""
    users = tmp_path_factory.mktemp("directory") / "users.csv"
    users.write_text("user_id,phone_number\nabc,+14155552671\nnophone,\nfixed,+442079460958\n", encoding="ascii")
    templates = users.with_name("templates.toml")
    templates.write_text('[order_shipped]\nsms = "Your order {number} is on its way."\n', encoding="ascii")
    database = f"sqlite:///{users.parent}/accounts.db"
    given = {"otp_apis": tuple(APIS), "otp_directory_url": f"file:///{users}", "otp_proof_keys": PROOF_KEYS}
    return given | {"database_url": database, "otp_templates_file": str(templates)}


@pytest.fixture
def open_all(open_site: Callable[..., Site], all_there_is: dict[str, Any]) -> Callable[..., Site]:
    """Call it with settings to get such a server."""
    return lambda **given: open_site(**(all_there_is | given))


@pytest.fixture
def everything(open_all: Callable[..., Site]) -> Site:
    """Such a server."""
    return open_all()


@pytest.fixture(scope="module")
def unharmed(all_there_is: dict[str, Any]) -> Iterator[Site]:
    """One server for all requests of which nothing may remain, so that each finds it as the first one did."""
    with closing(Site(**all_there_is, otp_client_limits="", otp_check_limits="")) as site:
        yield site
        assert site.channel.messages == []


# ---- several processes

#: What asks for one of these starts other processes.
STARTS = {"forking", "server", "fake_twilio", "redis_server", "postgres_server", "rabbit_server", "new_store",
          "browser"}  # fmt: skip


@pytest.fixture(autouse=True, scope="session")
def _fast_tests_start_nothing(request: pytest.FixtureRequest) -> Iterator[None]:
    """What `script/test --fast` runs starts no process but git: a new one is seconds, so its test is to be marked."""
    with pytest.MonkeyPatch.context() as patch:
        if request.config.option.markexpr == "not slow":
            patch.setattr(subprocess.Popen, "_execute_child", _only_git(subprocess.Popen._execute_child))
        yield


def _only_git(execute: Callable[..., None]) -> Callable[..., None]:
    def checked(popen: Any, args: Any, *others: Any) -> None:
        assert Path(args[0]).name == "git", "a test that starts a process needs @pytest.mark.slow"
        execute(popen, args, *others)

    return checked


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what is too slow for `script/test --fast`; where processes share the work, begin with what takes longest."""
    if hasattr(config, "workerinput"):
        items.sort(key=long_first)
    for item in items:
        if not STARTS.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker("slow")


def pytest_collection() -> None:
    """While tests are found nothing becomes garbage, and looking for it took a third of the time."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over the tests, of which there are thousands, and look for little else: it took
    a sixth of all time.
    """
    gc.enable()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByServer:
    """With -n: see tests/spreading.py."""
    return ByServer(config, log)
