"""The client of a Redis URL: one server, one found through Sentinel, or a cluster; and how its faults are reported."""

from __future__ import annotations

import socket
from collections.abc import Callable
from threading import Lock
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry
from redis.sentinel import Sentinel

from otp_app.core.errors import StoreUnavailable
from otp_app.core.moving import Freeze

TIMEOUT = 0.5  # seconds for a connection, and for each answer

#: No command is sent twice: a swap whose answer is lost may have been done. Connections that the server has closed in
#: the meantime are found, and opened anew, before a command is sent.
OPTIONS: dict[str, Any] = {
    "socket_timeout": TIMEOUT,
    "socket_connect_timeout": TIMEOUT,
    "retry": Retry(NoBackoff(), 0),
}
#: Networks of clouds and containers forget connections that are idle for minutes, and tell neither end.
KEEPALIVE = {socket.TCP_KEEPIDLE: 60, socket.TCP_KEEPINTVL: 10, socket.TCP_KEEPCNT: 3}
TCP_OPTIONS = OPTIONS | {"socket_keepalive": True, "socket_keepalive_options": KEEPALIVE}
QUERIES = {
    "rediss": {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname"},
    "unix": {"db"},
}
HINT = "in a password / is %2F, # %23, ? %3F, @ %40, % %25"
FORMS = {
    "redis": "redis://[user:password@]host:port/db",
    "rediss": "rediss://[user:password@]host:port/db",
    "unix": "unix:///path/redis.sock?db=0",
    "redis+sentinel": "redis+sentinel://[user:password@]host:port,host:port/service/db",
    "redis+cluster": "redis+cluster://[user:password@]host:port,host:port",
}

PUBLIC_REASONS = {  # for callers and operators; the text of a fault may name what they must not see
    "AuthenticationError": "wrong user or password",
    "ConnectionError": "no answer there, or not the expected one",
    "BusyLoadingError": "Redis is loading its data",
    "MasterNotFoundError": "no sentinel names a master of that service",
    "OSError": "no file or connection could be opened",
    "NoPermissionError": "this user may not do what the store needs",
    "OutOfMemoryError": "Redis is full",
    "ReadOnlyError": "this Redis is a replica",
    "RedisClusterException": "no node of a cluster answers there",
    "ResponseError": "Redis refused the command: a database that it does not have?",
    "TimeoutError": "no answer in time",
}
REPLIES = {  # of a ResponseError, by its code
    "MISCONF": "Redis cannot write to its disk, so it takes no changes: is that full?",
    "BUSY": "Redis runs a script that does not end: SCRIPT KILL ends it",
    "LOADING": "Redis is loading its data",
    "NOREPLICAS": "fewer replicas are connected to Redis than its min-replicas-to-write",
    "OOM": "Redis is full",
    "READONLY": "this Redis is a replica",
}


def client(url: str) -> Callable[[], Any]:
    """Return a function that makes the client. Raises ValueError with the right form of such a URL."""
    try:
        parts = urlsplit(url, allow_fragments=False)
        if parts.scheme == "redis+sentinel":
            return _sentinel(parts)
        return _cluster(parts) if parts.scheme == "redis+cluster" else _server(url, parts)
    except ValueError:
        raise ValueError(f"write {FORMS[url.partition('://')[0]]} ({HINT})") from None


def _server(url: str, parts: SplitResult) -> Callable[[], Any]:
    options = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    if options - QUERIES.get(parts.scheme, set()):  # such as a longer time limit
        raise ValueError
    whole = parts.path.strip("/") and not parts.hostname if parts.scheme == "unix" else parts.hostname
    if not whole or not (parts.scheme == "unix" or _is_db(parts.path)):
        raise ValueError
    made = redis.Redis.from_url(url, **(OPTIONS if parts.scheme == "unix" else TCP_OPTIONS))
    return lambda: made


def _sentinel(parts: SplitResult) -> Callable[[], Any]:
    """The sentinels are asked who the master is at every new connection."""
    service, _, db = parts.path.strip("/").partition("/")
    if not service or not _is_db(db) or parts.query:
        raise ValueError
    sentinels = Sentinel(_hosts(parts, 26379), sentinel_kwargs=TCP_OPTIONS)  # type: ignore[no-untyped-call]
    options = _login(parts) | TCP_OPTIONS | {"db": int(db or 0)}
    made = sentinels.master_for(service, **options)  # type: ignore[no-untyped-call]
    return lambda: made


def _cluster(parts: SplitResult) -> Callable[[], Any]:
    """The nodes that the URL has name the others, now and whenever one of those does not answer."""
    if parts.path.strip("/") or parts.query:
        raise ValueError
    nodes = [ClusterNode(host, port) for host, port in _hosts(parts, 6379)]  # type: ignore[no-untyped-call]
    options = _login(parts) | TCP_OPTIONS | {"dynamic_startup_nodes": False}  # asking all of many would take too long
    return lambda: _one_asks(RedisCluster(startup_nodes=nodes, **options))


def _one_asks(cluster: Any) -> Any:
    """Let only one thread at a time ask which nodes there are: each that waited would ask again."""
    ask, asking = cluster.nodes_manager.initialize, Lock()

    def ask_alone(*args: Any, **options: Any) -> None:
        if asking.acquire(blocking=False):
            try:
                ask(*args, **options)
            finally:
                asking.release()

    cluster.nodes_manager.initialize = ask_alone
    return cluster


def _is_db(path: str) -> bool:
    return not path.strip("/") or path.strip("/").isdecimal()


def _hosts(parts: SplitResult, port: int) -> list[tuple[str, int]]:
    pairs = [urlsplit(f"//{text}") for text in parts.netloc.rpartition("@")[2].split(",")]
    if not all(pair.hostname for pair in pairs):
        raise ValueError
    return [(pair.hostname or "", pair.port or port) for pair in pairs]


def _login(parts: SplitResult) -> dict[str, Any]:
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    return {name: unquote(value) for name, value in (("username", user), ("password", password)) if value}


def unavailable(error: Exception) -> StoreUnavailable:
    """Return what a fault of the client is for callers."""
    kind, _, rest = _reply(error).partition(" ")
    if kind == "FROZEN":
        return StoreUnavailable(Freeze(rest.partition(" ")[0]).message)
    name = type(error).__name__
    reason = REPLIES.get(kind) or PUBLIC_REASONS.get(name)
    return StoreUnavailable(f"The store is not available ({name}{f': {reason}' if reason else ''})")


def is_of_replica(error: Exception) -> bool:
    """Return whether a Redis refused a change because it is, or has become, a replica."""
    return isinstance(error, redis.ReadOnlyError) or _reply(error).startswith("READONLY ")


def _reply(error: Exception) -> str:
    """Return what Redis said, its code first: before version 7, where a script failed stands before that."""
    text = str(error)
    return text.rpartition(": -")[2] if text.startswith("Error running script") else text
