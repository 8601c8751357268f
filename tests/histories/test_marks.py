"""Marks say who has to read the store, whatever becomes of the transaction that leaves them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from otp_app.core.errors import StoreUnavailable
from otp_app.history.catching_up import Reading
from otp_app.history.database import Database, Session, unavailable
from otp_app.stores.memory import MemoryStore
from tests.core.fakes import FakeClock
from tests.histories.recording import in_file


class FullDisk:
    """A database of which the first transaction cannot be committed, as on a full disk."""

    def __init__(self, database: Database) -> None:
        self._database, self._is_full = database, True

    @contextmanager
    def writing(self) -> Iterator[Session]:
        with self._database.writing() as session:
            yield session
            if self._is_full:
                self._is_full = False
                raise unavailable("SQLITE_FULL")


def test_a_reading_that_could_not_be_noted_is_still_wanted(tmp_path: Path) -> None:
    """A server that starts on a full disk reads the store once there is room."""
    clock = FakeClock(1.0)
    with closing(in_file(tmp_path)) as database:
        full: Database = FullDisk(database)  # type: ignore[assignment]
        reading = Reading(MemoryStore(), full, name="one", key="key:1", channels=(), clock=clock)
        with pytest.raises(StoreUnavailable):
            reading.begin(1.0)
        assert not reading.is_under_way
        reading.begin(2.0)
        assert reading.is_under_way
        assert list(reading.read_on(10)) == []
        reading.begin(3.0)
        assert not reading.is_under_way
