"""Limits per client, counted in the server's own store."""

from types import SimpleNamespace

import pytest
from limits import parse
from limits.strategies import FixedWindowRateLimiter

from otp_app.core.errors import StoreUnavailable
from otp_app.stores import open_store
from otp_app.stores.memory import MemoryStore
from otp_app.web import limits
from otp_app.web.limits import StoreStorage

START = 1_750_000_200.0  # a multiple of 10 minutes: the beginning of a window
TEN_MINUTES = parse("2/10minutes")


@pytest.fixture
def now():
    return SimpleNamespace(seconds=START)


@pytest.fixture
def storage(now):
    """A storage over a store in memory, both on the same clock."""
    return StoreStorage("otp://", store=MemoryStore(clock=lambda: now.seconds), clock=lambda: now.seconds)


@pytest.fixture
def limiter(storage):
    return FixedWindowRateLimiter(storage)


def test_windows_are_aligned_to_the_clock(limiter, now):
    """A window ends at its own end, whenever the first request came: 10 minutes begin at :00, :10, :20."""
    now.seconds = START + 599
    assert [limiter.hit(TEN_MINUTES, "client") for _ in range(3)] == [True, True, False]
    now.seconds = START + 600
    assert [limiter.hit(TEN_MINUTES, "client") for _ in range(3)] == [True, True, False]


def test_clients_and_limits_count_apart(limiter):
    """One client's requests, and one limit's, are nobody else's."""
    for _ in range(3):
        limiter.hit(TEN_MINUTES, "client")
    assert limiter.hit(TEN_MINUTES, "other")
    assert limiter.hit(parse("2/minute"), "client")


def test_the_rest_and_the_end_of_a_window_are_reported(limiter, now):
    """What a client has left, and when it has all again."""
    now.seconds = START + 30.5
    limiter.hit(TEN_MINUTES, "client")
    assert limiter.get_window_stats(TEN_MINUTES, "client") == (START + 600, 1)
    assert limiter.get_window_stats(TEN_MINUTES, "other") == (START + 600, 2)


@pytest.mark.parametrize(
    ("text", "seconds"), [("1/second", 1), ("1/minute", 60), ("1/3hours", 10_800), ("1/day", 86_400)]
)
def test_every_granularity_has_its_length(storage, now, text, seconds):
    """The length of a window is read from the limit's key."""
    key = parse(text).key_for("client")
    assert storage.get_expiry(key) == (now.seconds // seconds + 1) * seconds


def test_a_request_may_cost_more(limiter):
    assert limiter.hit(TEN_MINUTES, "client", cost=2)
    assert not limiter.hit(TEN_MINUTES, "client")


def test_clear_gives_the_window_back(limiter):
    for who in ("client", "client", "other", "other"):
        limiter.hit(TEN_MINUTES, who)
    limiter.clear(TEN_MINUTES, "client")
    assert limiter.hit(TEN_MINUTES, "client")
    assert not limiter.hit(TEN_MINUTES, "other")


def test_a_client_over_its_limit_costs_the_store_nothing(now, monkeypatch):
    """Until the window ends: one that asks without end would have all others wait for the store."""
    counted = []

    class Store(MemoryStore):
        def add(self, key, amount, ttl):
            counted.append(key)
            return super().add(key, amount, ttl)

    storage = StoreStorage("otp://", store=Store(clock=lambda: now.seconds), clock=lambda: now.seconds)
    limiter = FixedWindowRateLimiter(storage)
    assert [limiter.hit(TEN_MINUTES, "client") for _ in range(9)] == [True] * 2 + [False] * 7
    assert len(counted) == 3
    monkeypatch.setattr(limits, "MOST_PASSED", 1)
    assert [limiter.hit(TEN_MINUTES, "other") for _ in range(4)] == [True] * 2 + [False] * 2
    assert not limiter.hit(TEN_MINUTES, "client")  # forgotten, and counted once more
    now.seconds = START + 600
    assert limiter.hit(TEN_MINUTES, "client")


def test_reset_ends_nothing(limiter, storage):
    """Nobody can wipe the counters of all clients by accident."""
    for _ in range(2):
        limiter.hit(TEN_MINUTES, "client")
    storage.reset()
    assert not limiter.hit(TEN_MINUTES, "client")


def test_processes_count_together(tmp_path, now):
    """Two servers over one file share a limit, as two workers do."""
    stores = [open_store(f"sqlite:///{tmp_path}/otp.db", lambda: now.seconds) for _ in range(2)]
    limiters = [
        FixedWindowRateLimiter(StoreStorage("otp://", store=store, clock=lambda: now.seconds)) for store in stores
    ]
    hits = [limiters[n % 2].hit(TEN_MINUTES, "client") for n in range(4)]
    for store in stores:
        store.close()
    assert hits == [True, True, False, False]


@pytest.mark.parametrize("client", ["203.0.113.9", "2001:db8:ffff:ffff::/64", "local"])
@pytest.mark.parametrize("text", ["20/hour", "99999999/9999 months"])
def test_keys_fit_into_every_store(now, client, text):
    """ASCII, at most 100 characters: the store's contract."""
    keys = []

    class Store(MemoryStore):
        def add(self, key, amount, ttl):
            keys.append(key)
            return super().add(key, amount, ttl)

    limiter = FixedWindowRateLimiter(StoreStorage("otp://", store=Store(clock=lambda: now.seconds)))
    limiter.hit(parse(text), client, "check")
    (key,) = keys
    assert key.isascii()
    assert len(key) <= 100


class Down(MemoryStore):
    """A store that does not work."""

    def add(self, key, amount, ttl):
        raise StoreUnavailable

    def ping(self):
        raise StoreUnavailable


@pytest.mark.parametrize("call", ["incr", "get", "clear", "check"])
def test_a_store_that_fails_is_not_replaced(call):
    """Whatever is asked, the fault comes through: nothing is counted in memory."""
    storage = StoreStorage("otp://", store=Down())
    arguments = {"incr": ("k/1/1/minute", 60), "check": ()}.get(call, ("k/1/1/minute",))
    with pytest.raises(StoreUnavailable):
        getattr(storage, call)(*arguments)


def test_a_store_that_works_is_reported(storage):
    assert storage.check() is True
