"""The way to every store: a URL. core/store.py says what a store must do."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from typing import Any, NoReturn

from otp_app.core.errors import StoreUnavailable
from otp_app.core.moving import Freeze, Hold, Item, Movable
from otp_app.core.store import Store, Swap
from otp_app.plugins.guarded import Guarded, Method, attribute
from otp_app.plugins.loading import CLASS_PATH, construct

#: Scheme of the URL -> class, imported when a store of that scheme is opened.
STORES = {
    "memory": "otp_app.stores.memory:MemoryStore",
    "sqlite": "otp_app.stores.sqlite.store:SqliteStore",
    **dict.fromkeys(
        ("redis", "rediss", "unix", "redis+sentinel", "redis+cluster"), "otp_app.stores.redis.store:RedisStore"
    ),
    **dict.fromkeys(("postgresql", "postgres"), "otp_app.stores.postgres.store:PostgresStore"),
}

#: who may share a store's records; see core.store.Store.shared_by
SHARING = ("process", "machine", "network")


def open_store(url: str, clock: Callable[[], float] = time.time) -> Store:
    """Return the store of a URL (`scheme://…`), or of an operator's class (`package.module:Class`, then `?options`).

    `clock` returns the seconds since the epoch. Raises ValueError with one line that says what to change.
    """
    target = _target(url)
    store: Store = construct(target, "store", url, clock=clock)
    return store if target in STORES.values() else OwnStore(store, f"OTP_STORE_URL {target}")


def open_or_memory(url: str) -> tuple[Store, str]:
    """Return the store of a URL and ""; while it is not available, one in memory and why. A frozen store is available.

    Raises ValueError.
    """
    store = open_store(url)
    try:
        if not (isinstance(store, Movable) and store.frozen()):
            store.ping()
    except StoreUnavailable as error:
        store.close()
        return open_store("memory://"), f"{error}: records are kept in memory until the next start"
    return store, ""


def sharing(url: str) -> str:
    """Return how far the store of a URL can be shared, as Store.shared_by says it. Raises ValueError."""
    with closing(open_store(url)) as store:
        return store.shared_by


def keeps_jobs(url: str) -> bool:
    """Return whether the store of a URL keeps jobs; one of an operator's class never does. Raises ValueError."""
    return _target(url) in STORES.values()


def _target(url: str) -> str:
    scheme, separator, _ = url.partition("://")
    if separator and scheme in STORES:
        return STORES[scheme]
    if own := CLASS_PATH.fullmatch(url):
        return own["target"]
    known = ", ".join(f"{name}://" for name in STORES)
    raise ValueError(f"no store is known by this URL: use one of {known} or package.module:Class")


class OwnStore(Guarded):
    """A store of an operator, with the methods of Movable and ServerChecks that its class has."""

    shared_by: str
    get: Any
    swap: Any
    add: Any
    ping: Any
    sweep: Any
    close: Any
    #: a class that inherits these may have a swap or a scan of its own, which they would pass by
    begin_swap = swap_later = swap_with_jobs = entries = None
    jobs = None  # nothing says what they must do here

    def __init__(self, store: object, name: str) -> None:
        super().__init__(store, name, CONTRACT)
        self.shared_by = str(attribute(store, "shared_by") or "process")
        if self.shared_by not in SHARING:  # a word that no rule knows must not let several workers count apart
            raise ValueError(f"its shared_by must be one of {', '.join(SHARING)}")


def _unavailable(fault: str) -> NoReturn:
    raise StoreUnavailable(f"The store is not available ({fault})")


def _a(*types: type) -> Callable[[Any], bool]:
    return lambda answer: isinstance(answer, types) and not isinstance(answer, bool)


def _method(arguments: int, *types: type, required: bool = True) -> Method:
    return Method(arguments, _a(*types), _unavailable, raises=(StoreUnavailable,), required=required)


def _is_swap(answer: Any) -> bool:
    return isinstance(answer, Swap) and [type(value) for value in answer] in ([bool, bytes], [bool, NOTHING])


def _texts(answer: Any) -> bool:
    return isinstance(answer, list) and all(isinstance(line, str) for line in answer)


NOTHING = type(None)
#: the methods that an operator's store must or may have, and what replaces their faults
CONTRACT = {
    "get": _method(1, bytes, NOTHING),
    "swap": Method(4, _is_swap, _unavailable, raises=(StoreUnavailable,)),
    "add": _method(3, int),
    "ping": Method(0, lambda _: True, _unavailable, raises=(StoreUnavailable,)),
    "sweep": _method(1, int),
    "close": Method(0, lambda _: True, instead=lambda _: None),
    "scan": Method(0, lambda _: False, _unavailable, raises=(StoreUnavailable,), required=False, yields=_a(Item)),
    "load": Method(1, lambda _: True, _unavailable, raises=(StoreUnavailable,), required=False),
    "clear": Method(0, lambda _: True, _unavailable, raises=(StoreUnavailable,), required=False),
    "size": _method(0, int, required=False),
    "freeze": Method(1, lambda done: isinstance(done, bool), _unavailable, raises=(StoreUnavailable,), required=False),
    "thaw": Method(0, lambda done: isinstance(done, bool), _unavailable, raises=(StoreUnavailable,), required=False),
    "frozen": _method(0, Freeze, NOTHING, required=False),
    "hold": _method(0, Hold, NOTHING, required=False),
    "faults": Method(0, _texts, _unavailable, raises=(StoreUnavailable,), required=False),
    "advice": Method(0, _texts, _unavailable, raises=(StoreUnavailable,), required=False),
}
