"""The URLs of a store in Redis: each form against a real server, and what is no such URL."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from otp_app.core.errors import StoreUnavailable
from otp_app.stores import open_store
from otp_app.stores.redis.client import FORMS
from tests.conftest import require
from tests.running import free_port
from tests.services import Cluster, Redis, Sentinel

HOUR = 3600.0
PASSWORD, QUOTED = "pä:ss@w/o#r?d%", "p%C3%A4%3Ass%40w%2Fo%23r%3Fd%25"


def put(url: str) -> None:
    """Put one entry into the store of a URL."""
    store = open_store(url)
    try:
        assert store.swap("k", None, b"a", HOUR).won
        assert store.get("k") == b"a"
    finally:
        store.close()


def fault(url: str) -> str:
    with pytest.raises(StoreUnavailable) as unavailable:
        put(url)
    return str(unavailable.value)


def allow(server: Redis) -> None:
    """Let in the user `app`, and nobody without a password."""
    with server.client() as client:
        client.acl_setuser("app", enabled=True, passwords=[f"+{PASSWORD}"], keys="*", commands=["+@all"])


# ---- each form


@pytest.mark.parametrize(("path", "db"), [("", 0), ("/", 0), ("/0", 0), ("/7", 7)])
def test_one_server(own_redis: Callable[..., Redis], path: str, db: int) -> None:
    server = own_redis()
    put(f"redis://127.0.0.1:{server.port}{path}")
    with server.client(db) as client:
        assert client.get("otp:v:k") == b"a"


def test_a_password_for_everyone(own_redis: Callable[..., Redis]) -> None:
    server = own_redis()
    with server.client() as client:
        client.config_set("requirepass", PASSWORD)
    assert "AuthenticationError" in fault(f"redis://127.0.0.1:{server.port}/0")
    put(f"redis://:{QUOTED}@127.0.0.1:{server.port}/0")


def test_a_user_with_a_password(own_redis: Callable[..., Redis]) -> None:
    server = own_redis()
    allow(server)
    put(f"redis://app:{QUOTED}@127.0.0.1:{server.port}/0")


def test_a_wrong_password_is_a_fault_that_does_not_show_it(own_redis: Callable[..., Redis]) -> None:
    server = own_redis()
    allow(server)
    said = fault(f"redis://app:not-this-one@127.0.0.1:{server.port}/0")
    assert "AuthenticationError" in said
    assert "not-this-one" not in said


def test_a_unix_socket(own_redis: Callable[..., Redis]) -> None:
    server = own_redis(unixsocket="redis.sock")
    put(f"unix://{server.folder}/redis.sock?db=3")
    with server.client(3) as client:
        assert client.get("otp:v:k") == b"a"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(
        [require("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-subj", "/CN=redis", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder / "cert.pem", folder / "key.pem"


def test_tls(own_redis: Callable[..., Redis], certificate: tuple[Path, Path]) -> None:
    """Only with a certificate that is vouched for, unless the URL says that it need not be."""
    cert, key = certificate
    port = free_port()
    own_redis(tls_port=str(port), tls_cert_file=str(cert), tls_key_file=str(key), tls_auth_clients="no")
    assert "ConnectionError" in fault(f"rediss://127.0.0.1:{port}/0")
    assert "ConnectionError" in fault(f"rediss://localhost:{port}/0?ssl_ca_certs={cert}")
    put(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={cert}")
    put(f"rediss://localhost:{port}/1?ssl_ca_certs={cert}&ssl_check_hostname=false")
    put(f"rediss://127.0.0.1:{port}/2?ssl_cert_reqs=none")


def test_a_master_that_a_sentinel_names(sentinel_server: Sentinel) -> None:
    """The user is the master's, and the first sentinel may be away."""
    allow(sentinel_server.servers[0])
    put(f"redis+sentinel://app:{QUOTED}@127.0.0.1:{free_port()},127.0.0.1:{sentinel_server.port}/otp/999")
    with sentinel_server.servers[0].client(999) as client:
        assert client.get("otp:v:k") == b"a"
    assert "MasterNotFoundError" in fault(f"redis+sentinel://127.0.0.1:{sentinel_server.port}/nobody")


def test_a_cluster_of_which_one_node_is_named(cluster_server: Cluster) -> None:
    """The user is that of all nodes, and the first that the URL names may be away."""
    cluster_server.new_url()
    for node in cluster_server.nodes:
        allow(node)
    put(f"redis+cluster://app:{QUOTED}@127.0.0.1:{free_port()},127.0.0.1:{cluster_server.nodes[2].port}")


def test_nothing_is_connected_before_the_first_use() -> None:
    """So that a server can start, and fork, without Redis."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        for url in (f"redis://{host}/0", f"rediss://{host}", f"redis+sentinel://{host}/otp", f"redis+cluster://{host}"):
            open_store(url).close()
        with pytest.raises(BlockingIOError):
            listener.accept()


# ---- what is no such URL

MALFORMED = [
    "redis://", "redis:///0", "redis://:secret@/0", "redis://:secret@host/x", "redis://:secret@host/1/2",
    "redis://:secret@host/-1", "redis://:secret@host:port/0", "redis://:secret@host:99999/0", "redis://:sec/ret@host/0",
    "redis://:sec#ret@host/0", "redis://:sec?ret@host/0", "redis://:se[cret@host/0", "redis://:se[cret]@host/0",
    "redis://:secret\u2100@host/0", "redis://[::1/0", "redis://:secret@host/0?db=1",
    "rediss://:secret@host/0?ssl_nonsense=1", "rediss://:secret@host/x",
    "unix://", "unix://secret/redis.sock", "unix:///redis.sock?db=secret",
    "redis+sentinel://", "redis+sentinel://:secret@host", "redis+sentinel://:secret@host/", "redis+sentinel:///otp/0",
    "redis+sentinel://:secret@host,,host/otp", "redis+sentinel://:secret@host:port/otp",
    "redis+sentinel://:secret@host/otp/x", "redis+sentinel://:secret@host/otp/0/1",
    "redis+sentinel://:secret\u2100@host/otp",
    "redis+cluster://", "redis+cluster://:secret@", "redis+cluster://:secret@host/1", "redis+cluster://:secret@host,",
    "redis+cluster://:secret@host:port",
]  # fmt: skip


@pytest.mark.parametrize("url", MALFORMED)
def test_a_url_that_is_none_gets_the_form_and_shows_no_password(url: str) -> None:
    with pytest.raises(ValueError) as refusal:
        open_store(url)
    assert str(refusal.value).startswith(f"write {FORMS[url.partition('://')[0]]} (in a password")
    assert "secret" not in str(refusal.value)
    assert refusal.value.__suppress_context__


LIMITS = ["socket_timeout=60", "socket_connect_timeout=60", "retry_on_timeout=true", "max_connections=1", "timeout=9",
          "health_check_interval=1", "protocol=3", "password=secret", "host=other"]  # fmt: skip


@pytest.mark.parametrize("option", LIMITS)
@pytest.mark.parametrize(
    "url", ["redis://h/0", "rediss://h/0", "unix:///redis.sock", "redis+sentinel://h/otp", "redis+cluster://h"]
)
def test_no_url_changes_the_time_limits(url: str, option: str) -> None:
    """All verbs answer within 3 s because of them; nor may it set anything else that the form does not have."""
    with pytest.raises(ValueError, match=r"^write "):
        open_store(f"{url}?{option}")
