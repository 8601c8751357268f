"""What the meter measures of a store."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from otp_app.core.errors import StoreUnavailable
from otp_app.monitoring.metrics import families
from otp_app.monitoring.metrics.counts import Counts
from otp_app.monitoring.metrics.meter import Meter
from otp_app.stores.sqlite.store import SqliteStore

SWAPS = families.STORE_SECONDS.name, "swap"


def test_each_swap_is_measured_once(tmp_path: Path) -> None:
    """Whether its caller waits for it at once, or has begun it before; one that fails too."""
    meter, store = Meter(Counts()), SqliteStore(f"sqlite:///{tmp_path}/otp.db")
    with closing(store):
        meter.time_store(store)
        assert store.swap("a", None, b"1", 60.0).won
        first, second = (store.begin_swap(key, None, b"1", 60.0) for key in "ab")
        assert sum(meter.totals()[SWAPS][:-1]) == 1
        assert (first().won, second().won) == (False, True)
        assert sum(meter.totals()[SWAPS][:-1]) == 3
        (tmp_path / "otp.db").unlink()
        waits = store.begin_swap("c", None, b"1", 60.0)
        with pytest.raises(StoreUnavailable):
            waits()
    assert sum(meter.totals()[SWAPS][:-1]) == 4
