"""How settings become a running server."""

import threading

import pytest

from otp_app import wiring
from otp_app.core.errors import StoreUnavailable
from otp_app.core.policy import Policy
from otp_app.settings import Settings
from otp_app.store import MemoryStore

POLICY = {
    "otp_ttl": ("ttl", 60),
    "otp_code_length": ("length", 7),
    "otp_code_length_raised": ("raised_length", 9),
    "otp_max_attempts": ("max_attempts", 3),
    "otp_resend_gaps": ("gaps", (1.0,)),
    "otp_sends_per_hour": ("sends_per_hour", 1),
    "otp_sends_per_day": ("sends_per_day", 2),
    "otp_keyed_reserve": ("keyed_reserve", 3),
    "otp_cool_downs": ("cool_downs", (4.0,)),
    "otp_risk_raise": ("risk_raise", 5e-6),
    "otp_risk_lower": ("risk_lower", 6e-6),
    "otp_resend_new_code": ("new_code_on_resend", True),
}


def test_the_defaults_are_the_policys():
    """What nobody set is as the core has it."""
    assert wiring.policy(Settings()) == Policy()


@pytest.mark.parametrize(("setting", "field", "value"), [(name, *what) for name, what in POLICY.items()])
def test_each_setting_moves_its_rule(setting, field, value):
    """And no other."""
    policy = wiring.policy(Settings.model_validate({setting: value}))
    changed = {name for name in Policy.__dataclass_fields__ if getattr(policy, name) != getattr(Policy(), name)}
    assert (getattr(policy, field), changed) == (value, {field})


class Store(MemoryStore):
    """Tells of each sweep; the first one fails, the second and third find more than they may delete."""

    def __init__(self):
        super().__init__()
        self.sweeps, self.enough = [], threading.Event()

    def sweep(self, limit):
        self.sweeps.append(limit)
        if len(self.sweeps) == 4:
            self.enough.set()
        if len(self.sweeps) == 1:
            raise StoreUnavailable
        return limit


def test_what_is_over_is_swept_until_the_end(monkeypatch, caplog):
    """In batches, off the requests; a store that fails is tried again, and told of without a traceback."""
    monkeypatch.setattr(wiring, "SWEEP_EVERY", 0.01)
    store = Store()
    sweeper = wiring.Sweeper(store)
    assert store.enough.wait(5)
    sweeper.stop()
    assert set(store.sweeps) == {wiring.SWEEP_AT_MOST}
    assert [record.getMessage() for record in caplog.records] == ["sweep: The store is not available"]
    assert not sweeper._thread.is_alive()


def test_close_gives_everything_back(monkeypatch):
    """The thread has ended, channels and store are closed."""
    services = wiring.build(Settings(otp_store_url="memory://", otp_channels=("tests.web.house:RecordingChannel",)))
    closed = []
    monkeypatch.setattr(services.store, "close", lambda: closed.append("store"))
    monkeypatch.setattr(services.channels[0], "close", lambda: closed.append("channel"))
    services.close()
    assert closed == ["channel", "store"]
    assert not services.sweeper._thread.is_alive()
