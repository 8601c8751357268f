"""A store by its URL."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from otp_app.core.store import Store, SwapsLater, SwapsWithJobs
from otp_app.plugins.loading import load_object
from otp_app.stores import STORES, open_store, sharing
from otp_app.stores.memory import MemoryStore
from otp_app.stores.sqlite.store import SqliteStore
from tests.running import ROOT


class Own(MemoryStore):
    """A store of somebody's own, which gets the whole text."""

    shared_by = "network"

    def __init__(self, url: str, clock) -> None:  # type: ignore[no-untyped-def]
        super().__init__(clock=clock)
        self.url = url


class Silent(Own):
    """A store that does not say how far it can be shared."""

    shared_by = ""


class Misspelt(Own):
    """A store that says it in a word of its own: several workers would each have one."""

    shared_by = "Process"


class Recorded(SqliteStore):
    """A store whose author wants to see each swap."""

    def __init__(self, url: str, clock) -> None:  # type: ignore[no-untyped-def]
        super().__init__("sqlite:///otp.db", clock=clock)


def test_the_scheme_chooses_the_class(tmp_path: Path) -> None:
    assert isinstance(open_store("memory://"), MemoryStore)
    store = open_store(f"sqlite:///{tmp_path}/otp.db")
    assert isinstance(store, SqliteStore)
    store.close()


def test_opening_a_store_touches_nothing(tmp_path: Path) -> None:
    """So that start-up can ask about a store, and a fork can come after."""
    open_store(f"sqlite:///{tmp_path}/var/otp.db").close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", sorted(set(STORES.values())))
def test_every_store_has_all_of_its_contracts(target: str) -> None:
    """A class that lacks a method is found here, not by the first request."""
    found: Any = load_object(target, "store")
    assert Store in found.__mro__
    assert found.__abstractmethods__ == frozenset()



@pytest.mark.parametrize("options", ["", "?x=1&y=2"])
def test_a_class_of_ones_own_gets_the_whole_text(options: str) -> None:
    url = f"tests.stores.test_open_store:Own{options}"
    store = open_store(url, time.time)
    assert store.url == url  # type: ignore[attr-defined]


def test_no_swap_passes_a_class_of_ones_own_by() -> None:
    """It may inherit later swaps and swaps with jobs, and have a `swap` of its own."""
    with closing(open_store("tests.stores.test_open_store:Recorded")) as store:
        assert not isinstance(store, SwapsLater | SwapsWithJobs)


@pytest.mark.parametrize(("url", "who"), [("memory://", "process"), ("sqlite:///var/otp.db", "machine"),
                                          ("tests.stores.test_open_store:Own", "network"),
                                          ("tests.stores.test_open_store:Silent", "process")])  # fmt: skip
def test_a_store_says_who_may_share_it(url: str, who: str) -> None:
    assert sharing(url) == who


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mongodb://host", "memory://"),
        ("", "memory://"),
        ("/var/otp.db", "memory://"),
        ("memory://x", "memory://"),
        ("no.such.module:Store", "there is no module"),
        ("otp_app.stores:NoStore", "has no NoStore that can be called"),
        ("tests.stores.test_open_store:Misspelt", "shared_by must be one of process, machine, network"),
    ],
)
def test_a_url_that_opens_nothing_is_refused_in_one_line(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as fault:
        open_store(url)
    assert "\n" not in str(fault.value)


def test_a_missing_package_names_its_pip_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "needs_redis.py").write_text("import redis_that_is_not_there\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="pip install redis_that_is_not_there"):
        open_store("needs_redis:Store")


def test_a_known_package_is_named_with_its_lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of a scheme of ours as well as of one's own class."""
    (tmp_path / "redis_store.py").write_text("import redis.client\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "redis", None)
    monkeypatch.setitem(STORES, "redis", "redis_store:RedisStore")
    for url in ("redis://:secret@host/0", "redis_store:RedisStore?password=secret"):
        with pytest.raises(ValueError, match=r"pip install .*--require-hashes -r requirements-redis\.txt$") as fault:
            open_store(url)
        assert "secret" not in str(fault.value)


def test_a_module_that_cannot_be_imported_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "broken_store.py").write_text("from otp_app.stores import Nothing\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=r"broken_store cannot be imported: cannot import name 'Nothing'"):
        open_store("broken_store:Store")


def test_a_refusal_shows_no_password() -> None:
    with pytest.raises(ValueError, match="memory://") as fault:
        open_store("mongodb://user:secret@host")
    assert "secret" not in str(fault.value)


def test_a_shared_store_has_no_warning_of_a_url_that_opens_nothing() -> None:
    with pytest.raises(ValueError, match="synchronous"):
        sharing("sqlite:///otp.db?synchronous=SOMETIMES")


def test_the_clock_is_handed_on(tmp_path: Path) -> None:
    now = [1000.0]
    for url in ("memory://", f"sqlite:///{tmp_path}/otp.db"):
        store = open_store(url, lambda: now[0])
        store.swap("k", None, b"a", 10)
        now[0] += 11
        assert store.get("k") is None
        store.close()


URLS = {
    "memory": "memory://",
    "sqlite": "sqlite:///otp.db",
    "redis": "redis://host",
    "rediss": "rediss://host",
    "unix": "unix:///run/redis.sock",
    "redis+sentinel": "redis+sentinel://host/service",
    "redis+cluster": "redis+cluster://host",
    "postgresql": "postgresql://host/otp",
    "postgres": "postgres://host/otp",
}


def test_every_scheme_has_a_class_that_exists() -> None:
    """And opening it reaches for no server."""
    assert URLS.keys() == STORES.keys()
    for scheme, url in URLS.items():
        with closing(open_store(url)) as store:
            assert type(store).__name__ == STORES[scheme].partition(":")[2]


OF_EXTRAS = {"redis", "psycopg", "psycopg_pool", "sqlalchemy", "connectrpc", "grpc", "pika", "cryptography"}


def test_the_server_as_it_comes_loads_nothing_of_an_extra() -> None:
    """A server on one small VM installs and loads none of them."""
    program = "import wsgi, sys; print(*sys.modules)"
    environ = {"OTP_STORE_URL": "memory://", "PATH": os.environ["PATH"]}
    loaded = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environ, check=True, capture_output=True)
    assert OF_EXTRAS.intersection(loaded.stdout.decode().split()) == set()


@pytest.mark.parametrize(
    ("url", "package", "extra"),
    [("redis://host", "redis", "redis"), ("postgresql://host/otp", "psycopg", "postgres"),
     ("postgresql://host/otp", "psycopg_pool", "postgres")],
)  # fmt: skip
def test_a_store_without_its_driver_names_the_command_of_its_lock(url: str, package: str, extra: str) -> None:
    """In a fresh process, in which the package cannot be found."""
    program = f"import sys; sys.modules[{package!r}] = None; from otp_app.stores import open_store; open_store({url!r})"
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    command = f"{sys.executable} -m pip install --require-hashes -r requirements-{extra}.txt"
    assert run.stderr.endswith(f"ValueError: this store needs another package: {command}\n")
