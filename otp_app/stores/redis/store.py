"""The store in Redis or Valkey: for all servers of a network.

Each verb is one command or one script, on one key, so it needs one node of a cluster only. The server deletes
what has ended, by its own clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from threading import BoundedSemaphore, Lock
from typing import Any, cast

import redis
from redis.exceptions import RedisClusterException

from otp_app.core.errors import OtpError, StoreUnavailable
from otp_app.core.moving import ANY, Freeze, Hold, Item, Movable, Searchable, Waiting
from otp_app.core.store import ServerChecks, Store, Swap
from otp_app.stores.breaker import Breaker
from otp_app.stores.clock_skew import clocks_differ
from otp_app.stores.holders import check_holder
from otp_app.stores.redis.client import TIMEOUT, client, is_of_replica, unavailable
from otp_app.stores.redis.jobs import JOBS, RedisJobs
from otp_app.stores.redis.scripts import SCRIPTS, Script, answer, ask, milliseconds

VALUE, COUNTER = "otp:v:", "otp:c:"  # what keys begin with
FROZEN, PING = "otp:frozen", "otp:ping"
AWAY = (redis.ConnectionError, redis.TimeoutError, RedisClusterException)
CONNECTIONS = 16  # of each process at most; a call takes a tenth of a millisecond, and small services allow 20 or 30
PLACE_TIMEOUT = 1.5  # seconds until one of them is free; with a connection and an answer a call stays below 3 s
BATCH = 1000  # keys of one look, when all are read
SWAP, ADD = Script(SCRIPTS / "swap.lua"), Script(SCRIPTS / "add.lua")


class RedisStore(Store, Movable, Searchable, ServerChecks):
    """The store of `redis://`, `rediss://`, `unix://`, `redis+sentinel://` and `redis+cluster://`; docs/stores.md has
    their forms.

    What survives the server's end is the server's matter: with `appendonly yes` all but the last second; without, a
    restart loses codes and limits, and accepts none.
    """  # fmt: skip

    shared_by = "network"

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock  # only compared: lives end by the server's clock, which all that share it have in common
        self._make, self._opening = client(url), Lock()
        self._freezable = [] if url.startswith("redis+cluster") else [FROZEN]
        self._breaker, self._places = Breaker(AWAY), BoundedSemaphore(CONNECTIONS)
        self._made: Any = None
        self.jobs = RedisJobs(self._calling, self._freezable)

    def get(self, key: str) -> bytes | None:
        """Return the value under a key."""
        with self._calling() as server:
            value, *how = answer(list, ask(server, "MGET", VALUE + key, *self._freezable))
            found: bytes | None = answer(bytes | None, value)
            held = _hold(how[0]) if how else None
        if held and not held.how.holds:
            raise StoreUnavailable(held.how.message)
        return found

    def swap(self, key: str, old: bytes | None, new: bytes | None, ttl: float) -> Swap:
        """Replace `old` by `new`; see core.store.Store."""
        change = (int(old is not None), old or b"", int(new is not None), new or b"", milliseconds(ttl))
        with self._calling() as server:
            won, *found = answer(list, SWAP.run(server, [VALUE + key, *self._freezable], *change))
        if won == 1:
            return Swap(won=True, found=new)
        return Swap(won=False, found=answer(bytes | None, found[0] if found else None))

    def add(self, key: str, amount: int, ttl: float) -> int:
        """Add to a counter; see core.store.Store."""
        with self._calling() as server:
            return int(answer(int, ADD.run(server, [COUNTER + key], amount, milliseconds(ttl))))

    def ping(self) -> None:
        """Return when the server takes a write and gives it back."""
        if frozen := self.frozen():
            raise StoreUnavailable(frozen.message)
        with self._calling() as server:
            server.set(PING, b"1", px=1000)
            if server.get(PING) is None:
                raise StoreUnavailable("The store does not keep what it takes")

    def sweep(self, limit: int) -> int:
        """Do nothing: the server deletes what has ended."""
        del limit
        return 0

    def close(self) -> None:
        """Close the connections."""
        if self._made:
            self._made.close()

    # ---- ServerChecks

    def faults(self) -> list[str]:
        """Return a line where the server deletes records when its memory is full."""
        policy = self._setting("maxmemory-policy")
        if policy in (None, "noeviction"):
            return []
        return [f"Redis drops codes and limits when it is full: set its maxmemory-policy to noeviction, not {policy}"]

    def advice(self) -> list[str]:
        """Return a line for what a restart of the server would lose, and one where the clocks differ."""
        with self._calling() as server:
            seconds, microseconds = server.time()
        lines = clocks_differ(self._clock() - seconds - microseconds / 1e6)
        if self._setting("appendonly") == "no":
            lost = "what was written since its last snapshot" if self._setting("save") else "everything"
            lines.append(f"a restart of Redis loses {lost}, used codes and limits included: set its appendonly to yes")
        return lines

    def _setting(self, name: str) -> str | None:
        """Return a setting of the server; None where it does not say, as with managed services."""
        with self._calling() as server:
            try:
                settings = server.config_get(name)
            except redis.ResponseError:
                return None
        return cast("str | None", settings.get(name))

    # ---- Movable

    def scan(self) -> Iterator[Item]:
        """Yield all entries and counters; see core.moving.Movable."""
        yield from self.entries("")
        yield from self._all(COUNTER)
        yield from self.jobs.scan()

    def entries(self, prefix: str) -> Iterator[Item]:
        """Yield the entries with such keys; see core.moving.Searchable."""
        return self._all(VALUE, prefix)

    def _all(self, kind: str, prefix: str = "") -> Iterator[Item]:
        keys = self._keys(kind + prefix)
        while batch := list(islice(keys, BATCH)):
            yield from self._items(kind, batch)

    def _keys(self, prefix: str) -> Iterator[bytes]:
        with self._calling() as server:
            yield from server.scan_iter(match=f"{prefix}*", count=BATCH)

    def _items(self, kind: str, keys: list[bytes]) -> Iterator[Item]:
        with self._calling() as server:
            pipe = server.pipeline(transaction=False)
            for key in keys:
                pipe.get(key).pttl(key)
            answers = pipe.execute()
        for key, value, life in zip(keys, answers[::2], answers[1::2], strict=True):
            if value is not None and life > 0:
                yield Item(key.decode()[len(kind) :], value if kind == VALUE else int(value), life / 1000)

    def load(self, items: Iterable[Item], by: str | None = None) -> None:
        """Store these; see core.moving.Movable."""
        with self._held(by) as pipe:
            for key, value, ttl in items:
                if isinstance(value, Waiting):
                    self.jobs.load(pipe, key, value.payload, ttl)
                    continue
                kind = COUNTER if isinstance(value, int) else VALUE
                pipe.set(kind + key, value, px=milliseconds(ttl))

    def clear(self, by: str | None = None) -> None:
        """Delete all entries, counters and jobs."""
        for kind in (VALUE, COUNTER):
            keys = self._keys(kind)
            while batch := list(islice(keys, BATCH)):
                with self._held(by) as pipe:
                    pipe.unlink(*batch)
        with self._held(by) as pipe:
            pipe.unlink(*JOBS)

    @contextmanager
    def _held(self, by: str | None) -> Iterator[Any]:
        """Collect changes, and make them only if no other copy has frozen the store by then."""
        with self._calling() as server, server.pipeline(transaction=by is not None) as pipe:
            if by is not None:
                pipe.watch(FROZEN)
                check_holder(_hold(pipe.get(FROZEN)), by)
                pipe.multi()
            yield pipe
            pipe.execute()

    def size(self) -> int:
        """Return about how many items there are: all keys of the database."""
        with self._calling() as server:
            return int(server.dbsize())

    def freeze(self, how: Freeze, by: str = "", was: Hold | None = ANY) -> bool:
        """Make no swap from now on; see core.moving.Movable."""
        if not self._freezable:
            raise StoreUnavailable("A Redis Cluster cannot be frozen, so it cannot be copied from or to")
        return self._change(was, f"{how} {by}".strip())

    def thaw(self, was: Hold = ANY) -> bool:
        """Make swaps again; see core.moving.Movable."""
        return self._change(was, "")

    def _change(self, was: Hold | None, mark: str) -> bool:
        """Compare and set; the server rejects it where another changes the freeze between the two."""
        with self._calling() as server, server.pipeline() as pipe:
            pipe.watch(FROZEN)
            if was != ANY and _hold(pipe.get(FROZEN)) != was:
                return False
            pipe.multi()
            pipe.set(FROZEN, mark) if mark else pipe.delete(FROZEN)
            try:
                pipe.execute()
            except redis.WatchError:
                return False
        return True

    def frozen(self) -> Freeze | None:
        """Return how it is frozen, or None."""
        held = self.hold()
        return held.how if held else None

    def hold(self) -> Hold | None:
        """Return how and by which copy it is frozen, or None."""
        with self._calling() as server:
            return _hold(server.get(FROZEN))

    # ---- connections

    @contextmanager
    def _calling(self) -> Iterator[Any]:
        if not self._places.acquire(timeout=PLACE_TIMEOUT):
            raise StoreUnavailable("The store is not available (too many wait for it)")
        try:
            with self._breaker.calling():
                yield self._client()
        except OtpError:
            raise
        except Exception as error:  # the driver raises nearly anything for what is no answer of Redis
            if is_of_replica(error) and isinstance(self._made, redis.Redis):
                # The address may lead to the new primary by now, but connections to the old one would stay for ever.
                self._made.connection_pool.disconnect(inuse_connections=False)
            raise unavailable(error) from error
        finally:
            self._places.release()

    def _client(self) -> Any:
        """Make the client once; that of a cluster connects, and other threads wait no longer than for an answer."""
        if self._made is not None:  # hundreds of threads that queue for a lock lose more time than they may wait
            return self._made
        if not self._opening.acquire(timeout=TIMEOUT):
            raise StoreUnavailable
        try:
            if self._made is None:
                self._made = self._make()
            return self._made
        finally:
            self._opening.release()


def _hold(mark: bytes | None) -> Hold | None:
    how, _, by = (mark or b"").decode().partition(" ")
    return Hold(Freeze(how), by) if how else None
