"""What the store in Redis does beyond the contract: it is lost and found again, and it looks at how Redis is set up."""

from __future__ import annotations

import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, contextmanager, suppress

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from otp_app.core.errors import StoreUnavailable
from otp_app.core.moving import Freeze
from otp_app.core.store import Store
from otp_app.stores import open_store
from otp_app.stores.breaker import PAUSE
from otp_app.stores.redis.client import TIMEOUT, unavailable
from otp_app.stores.redis.scripts import packed
from otp_app.stores.redis.store import CONNECTIONS
from tests.conftest import require
from tests.running import wait_until
from tests.services import Cluster, Redis, Sentinel
from tests.stores.conftest import PLACES
from tests.stores.faults import in_thread, refused
from tests.stores.test_threads import together

HOUR = 3600.0
IN_A_SCRIPT = "Error running script (call to f_1028a5db): @user_script:14: @user_script: 14: "  # Redis before 7
BOUND = 3.0  # seconds; no verb may take longer to say that it cannot do its work, see core.store.Store

VERBS: dict[str, Callable[[Store], object]] = {
    "MGET": lambda store: store.get("k"),
    "EVALSHA": lambda store: store.swap("k", None, b"a", HOUR),
    "evalsha": lambda store: store.add("k", 1, HOUR),
}


@contextmanager
def opened(url: str) -> Iterator[Store]:
    store = open_store(url)
    try:
        yield store
    finally:
        store.close()


def answers(verb: Callable[[], object]) -> bool:
    try:
        verb()
    except StoreUnavailable:
        return False
    return True


def test_valkey_is_tested_as_redis_is() -> None:
    if not shutil.which("valkey-server"):
        pytest.skip("needs valkey-server; Debian 12 has no package of it, so it may be absent where all else is there")
    assert "valkey" in PLACES


# ---- keys and commands


@settings(deadline=None)
@given(st.lists(st.binary() | st.text(st.characters(codec="utf-8")) | st.integers(), min_size=1))
def test_a_command_is_packed_as_the_client_packs_it(parts: list[bytes | str | int]) -> None:
    """But in one piece, whatever its length."""
    command = ("EVALSHA", *parts)
    theirs = redis.Connection().pack_command(*command)  # type: ignore[no-untyped-call]
    assert packed(command) == b"".join(theirs)


def test_keys_are_as_documented(redis_server: Redis) -> None:
    url = redis_server.new_url()
    with opened(url) as store, redis_server.client(int(url.rpartition("/")[2])) as client:
        store.swap("k", None, b"a", HOUR)
        store.add("k", 3, HOUR)
        assert {key: client.get(key) for key in client.scan_iter()} == {b"otp:v:k": b"a", b"otp:c:k": b"3"}
        assert all(HOUR - 60 < client.ttl(key) <= HOUR for key in client.scan_iter())


KEYS = [("MGET", {"otp:v:k", "otp:frozen"}), ("EVALSHA", {"otp:v:k", "otp:frozen"}), ("evalsha", {"otp:c:k"})]


@pytest.mark.parametrize(("verb", "keys"), KEYS)
def test_a_verb_uses_one_key_besides_the_mark_of_a_freeze(own_redis, verb: str, keys: set[str]) -> None:
    """Those of its script included. A cluster, where two keys of two nodes are refused, runs the contract suite."""
    server = own_redis()
    with opened(f"redis://127.0.0.1:{server.port}/0") as store, server.client() as client, client.monitor() as monitor:
        VERBS[verb](store)
        client.echo("the end")
        used = set()
        while "the end" not in (command := monitor.next_command()["command"]):
            used |= set(re.findall(r"otp:\S+", command))
    assert used == keys


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("word", [b"+OK", b"*0", b":1.5", b"*2\r\n:0\r\n:7", b"*1\r\n" * 1000 + b"+OK"])
def test_an_answer_that_redis_does_not_give_is_no_answer(verb: str, word: bytes) -> None:
    """What stands there is no Redis, so a swap has not been won, nor an attempt counted."""
    with a_server_that_hangs_up(b"QUIT", word) as (port, _), opened(f"redis://127.0.0.1:{port}/0") as store:
        refused(lambda: VERBS[verb](store))


@contextmanager
def a_server_that_hangs_up(word: bytes, says: bytes = b"+OK") -> Iterator[tuple[int, list[bytes]]]:
    """Its port, and what came; it closes a connection where `word` came, and says the same to all else."""
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                peer, _ = listener.accept()
                with peer:
                    while (data := peer.recv(65536)) and word not in data:
                        peer.sendall((says + b"\r\n") * len(re.findall(rb"(?:^|\r\n)\*\d+\r\n", data)))
                seen.append(data)
                if not data:
                    return

        thread = in_thread(serve)
        yield listener.getsockname()[1], seen
        socket.create_connection(listener.getsockname()).close()
        thread.join()


@pytest.mark.parametrize("verb", VERBS)
def test_no_command_is_sent_twice(verb: str) -> None:
    """A server that goes after it has read a command may have done it."""
    with a_server_that_hangs_up(verb.upper().encode()) as (port, seen), opened(f"redis://127.0.0.1:{port}/0") as store:
        refused(lambda: VERBS[verb](store))
    assert [data.count(verb.upper().encode()) for data in seen] == [1, 0]


def test_a_replica_of_redis_before_7_is_left() -> None:
    """Behind one address may be the new primary by now: a connection to the old one would stay for ever."""
    said = f"-ERR {IN_A_SCRIPT}-READONLY You can't write against a read only replica. ".encode()
    with a_server_that_hangs_up(b"QUIT", said) as (port, seen), opened(f"redis://127.0.0.1:{port}/0") as store:
        (fault,) = refused(lambda: store.swap("k", None, b"a", HOUR))
        assert "a replica" in fault
        wait_until(lambda: seen, "the end of the connection to it", timeout=5)


# ---- what Redis forgets


def test_scripts_that_redis_forgot_are_sent_again(own_redis) -> None:
    server = own_redis()
    with opened(f"redis://127.0.0.1:{server.port}/0") as store, server.client() as client:
        for turn in range(3):
            assert store.swap(f"k{turn}", None, b"a", HOUR).won
            assert store.add("c", 1, HOUR) == turn + 1
            client.script_flush()


def test_after_a_restart_of_redis_the_first_call_works(own_redis) -> None:
    """Its scripts and all connections are gone, and nobody called meanwhile."""
    server = own_redis(appendonly="yes", appendfsync="always")
    with opened(f"redis://127.0.0.1:{server.port}/0") as store:
        store.swap("k", None, b"a", HOUR)
        server.stop()
        server.start()
        assert store.swap("k", b"a", b"b", HOUR).won
        assert store.add("c", 1, HOUR) == 1


def test_connections_that_redis_closed_cost_no_call(own_redis) -> None:
    server = own_redis()
    with opened(f"redis://127.0.0.1:{server.port}/0") as store, server.client() as client:
        for turn in range(5):
            together(4, lambda number, turn=turn: store.add(f"c{number}", 1, HOUR))
            assert client.client_kill_filter(_type="normal") >= 1
        assert [store.add(f"c{number}", 0, HOUR) for number in range(4)] == [5] * 4


def test_idle_connections_show_the_network_that_they_are_in_use(redis_server: Redis) -> None:
    """Those of clouds forget others after four minutes; then each would cost a call."""
    with opened(redis_server.new_url()) as store:
        store.ping()
        connection = store._made.connection_pool.get_connection()
        options = socket.SO_KEEPALIVE, socket.TCP_KEEPIDLE
        levels = socket.SOL_SOCKET, socket.IPPROTO_TCP
        assert list(map(connection._sock.getsockopt, levels, options)) == [1, 60]


def test_calls_do_not_queue_for_the_client_that_is_there(redis_server: Redis) -> None:
    """Three hundred threads that wait for one lock take longer than a call may, though Redis answers at once."""
    with opened(redis_server.new_url()) as store:
        store.add("c", 1, HOUR)
        with store._opening:  # type: ignore[attr-defined]
            assert store.add("c", 1, HOUR) == 2


def test_a_call_waits_for_a_connection_longer_than_for_an_answer(redis_server: Redis) -> None:
    """A batch of notifications and its receipts need all of them for a while, on a busy machine, and Redis is well."""
    with opened(redis_server.new_url()) as store, ThreadPoolExecutor(1) as thread:
        with ExitStack() as others:
            for _ in range(CONNECTIONS):
                others.enter_context(store._calling())  # type: ignore[attr-defined]
            count = thread.submit(store.add, "c", 1, HOUR)
            wait([count], TIMEOUT + 0.3)
        assert count.result() == 1


@pytest.mark.usefixtures("waits_long")
def test_a_hundred_threads_do_with_the_connections_of_a_small_redis(own_redis) -> None:
    """Small services allow twenty; more threads than that wait for each other, where they had all been refused."""
    server = own_redis(maxclients="20")
    with opened(f"redis://127.0.0.1:{server.port}/0") as store:
        together(100, lambda number: store.add(f"c{number % 5}", 1, HOUR))
        assert [store.add(f"c{number}", 0, HOUR) for number in range(5)] == [20] * 5


# ---- how Redis is set up


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-lru", "volatile-ttl", "allkeys-random"])
def test_a_redis_that_evicts_is_refused(own_redis, policy: str) -> None:
    server = own_redis(maxmemory_policy=policy)
    with opened(f"redis://127.0.0.1:{server.port}/0") as store:
        (line,) = store.faults()  # type: ignore[attr-defined]
    assert line.endswith(f"set its maxmemory-policy to noeviction, not {policy}")


def test_a_redis_that_evicts_nothing_is_not_refused(own_redis) -> None:
    server = own_redis(maxmemory_policy="noeviction")
    with opened(f"redis://127.0.0.1:{server.port}/0") as store:
        assert store.faults() == []  # type: ignore[attr-defined]


APPENDONLY = [
    ({"appendonly": "no", "save": ""}, ["loses everything"]),
    ({"appendonly": "no", "save": "3600 1"}, ["loses what was written since its last snapshot"]),
    ({"appendonly": "yes", "save": ""}, []),
    ({"appendonly": "yes", "save": "3600 1"}, []),
]


@pytest.mark.parametrize(("options", "lost"), APPENDONLY)
def test_it_says_what_a_restart_would_lose(own_redis, options: dict[str, str], lost: list[str]) -> None:
    server = own_redis(**options)
    with opened(f"redis://127.0.0.1:{server.port}/0") as store:
        lines = store.advice()  # type: ignore[attr-defined]
    assert [part in line for line, part in zip(lines, lost, strict=True)] == [True] * len(lost)


def test_a_redis_that_does_not_tell_is_taken_as_it_is(own_redis) -> None:
    """Managed services forbid CONFIG."""
    server = own_redis(maxmemory_policy="allkeys-lru")
    with server.client() as client:
        client.acl_setuser("app", enabled=True, passwords=["+secret"], keys="*", commands=["+@all", "-config"])
    with opened(f"redis://app:secret@127.0.0.1:{server.port}/0") as store:
        assert store.faults() == store.advice() == []  # type: ignore[attr-defined]
        store.ping()


def test_a_clock_that_differs_is_reported(own_redis) -> None:
    """Codes that others began would be void here, or live too long."""
    server = own_redis(appendonly="yes")
    with closing(open_store(f"redis://127.0.0.1:{server.port}/0", lambda: time.time() + 9)) as store:
        (line,) = store.advice()  # type: ignore[attr-defined]
    assert line.startswith("this machine's clock is +9.0 s off the store's")


def test_a_freeze_of_a_newer_version_is_a_refusal(own_redis) -> None:
    server = own_redis()
    with server.client() as client, opened(f"redis://127.0.0.1:{server.port}/0") as store:
        client.set("otp:frozen", "archived until spring")
        said = refused(lambda: store.get("k"), lambda: store.swap("k", None, b"a", HOUR), store.ping)
        assert said == [Freeze.MOVED.message] * 3


# ---- through Sentinel


@pytest.fixture
def own_sentinel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sentinel]:
    """A sentinel, a master and a replica that the test may do anything to."""
    sentinel = Sentinel(tmp_path_factory.mktemp("own-sentinel"), require("redis-server"), replicas=1)
    try:
        sentinel.start()
        yield sentinel
    finally:
        sentinel.stop()


def test_the_store_moves_to_the_replica_that_the_sentinel_promotes(own_sentinel: Sentinel) -> None:
    """Nothing is accepted while the master is dead; then the same store goes on with what the replica has."""
    url, (master, other) = own_sentinel.new_url(), own_sentinel.servers
    with opened(url) as store, other.client(int(url.rpartition("/")[2])) as replica:
        assert store.swap("k", None, b"a", HOUR).won
        wait_until(lambda: replica.get("otp:v:k"), "a copy on the replica")
        master.kill()
        refused(lambda: store.get("k"), lambda: store.swap("k", b"a", b"b", HOUR), store.ping)
        wait_until(lambda: answers(store.ping), "a store that works again")
        assert store.get("k") == b"a"
        assert store.swap("k", b"a", b"b", HOUR).won
        assert replica.get("otp:v:k") == b"b"


def test_an_answer_that_comes_too_late_is_of_no_other_command(own_sentinel: Sentinel) -> None:
    """A master that hangs for a second answers what was given up, on the connection that the next command takes."""
    with opened(own_sentinel.new_url()) as store:
        assert store.swap("k1", None, b"of 1", HOUR).won
        assert store.swap("k2", None, b"of 2", HOUR).won
        found: list[bytes | None] = []

        def look() -> None:
            with suppress(StoreUnavailable):
                found.append(store.get("k2"))

        with own_sentinel.servers[0].held():
            refused(lambda: store.get("k1"))
            time.sleep(PAUSE)
            other = in_thread(look)
            time.sleep(0.1)  # it has sent its command
        other.join()
        assert found in ([], [b"of 2"])


def test_a_sentinel_that_hangs_holds_no_call(own_sentinel: Sentinel) -> None:
    with opened(own_sentinel.new_url()) as store, own_sentinel.held():
        assert longest(store, 1) < BOUND


def test_a_sentinel_that_is_away_stops_nobody_who_is_connected(own_sentinel: Sentinel) -> None:
    with opened(own_sentinel.new_url()) as store:
        store.ping()
        Redis.kill(own_sentinel)
        store.ping()


def longest(store: Store, threads: int) -> float:
    """Call it from so many threads at once, all in vain; return the seconds of the longest call."""
    seconds: list[float] = []

    def call(_: int) -> None:
        begun = time.monotonic()
        refused(lambda: store.get("k"))
        seconds.append(time.monotonic() - begun)

    together(threads, call)
    return max(seconds)


# ---- in a cluster


@pytest.fixture
def held_cluster(cluster_server: Cluster) -> Iterator[Callable[[], None]]:
    """Call it to hold all nodes until the end of the test."""
    with ExitStack() as held:
        yield lambda: [held.enter_context(node.held()) for node in cluster_server.nodes] and None


def test_a_cluster_that_is_away_isunavailable() -> None:
    with opened("redis+cluster://127.0.0.1:1,127.0.0.1:2") as store:
        refused(lambda: store.get("k"), lambda: store.add("k", 1, HOUR), store.ping)


@pytest.mark.parametrize("used", [False, True])
def test_a_cluster_that_hangs_holds_no_call(cluster_server: Cluster, held_cluster, used: bool) -> None:
    """Neither before the first connection nor later, and a thread that waits does not wait for those before it."""
    with opened(cluster_server.new_url()) as store:
        if used:
            wait_until(lambda: answers(store.ping), "a store that works")
            together(8, lambda number: answers(lambda: store.add(f"c{number}", 1, HOUR)))
        held_cluster()
        assert longest(store, 8) < BOUND


def test_a_cluster_whose_nodes_come_back_works_again(own_cluster: Cluster) -> None:
    with opened(own_cluster.new_url()) as store:
        for n in range(12):
            store.swap(f"k{n}", None, b"a", HOUR)
        own_cluster.nodes[0].kill()
        wait_until(lambda: not answers(lambda: read_all(store)), "a key of the node that is away")
        own_cluster.nodes[0].start()
        wait_until(lambda: answers(lambda: read_all(store)), "all keys")
        assert all(store.swap(f"new{n}", None, b"a", HOUR).won for n in range(12))


def read_all(store: Store) -> None:
    for n in range(12):
        store.get(f"k{n}")


@pytest.fixture
def own_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster that the test may do anything to."""
    cluster = Cluster(tmp_path_factory.mktemp("own-cluster"), require("redis-server"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ("MISCONF Redis is configured to save RDB snapshots", "cannot write to its disk"),
        ("BUSY Redis is busy running a script", "SCRIPT KILL"),
        ("NOREPLICAS Not enough good replicas to write.", "replicas"),
        ("LOADING Redis is loading the dataset in memory", "loading its data"),
        ("OOM command not allowed", "is full"),
        ("READONLY You can't write against a read only replica.", "a replica"),
        (IN_A_SCRIPT + "-READONLY You can't write against a read only replica. ", "a replica"),
        (IN_A_SCRIPT + "-OOM command not allowed when used memory > 'maxmemory'. ", "is full"),
    ],
)
def test_what_redis_refuses_has_words_of_its_own(reply: str, message: str) -> None:
    """What an operator has to do differs."""
    assert message in str(unavailable(redis.ResponseError(reply)))
