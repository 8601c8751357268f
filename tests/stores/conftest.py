"""The stores that the contract suite runs on: one row each, and nothing about them in the suite itself."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from otp_app.core.interfaces import Store
from otp_app.store import open_store


@dataclass
class Time:
    """The seconds since the epoch, which stand still unless moved."""

    now: float = field(default_factory=time.time)

    def __call__(self) -> float:
        return self.now


class Place:
    """A store of one kind in a fresh place, and what the suite may do with it from outside."""

    shared = True  # other processes can open it
    sweeps = True  # False where the server itself deletes what is over

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, Time()
        self._opened: list[Store] = []
        self.store = self.open()

    @property
    def url(self) -> str:
        raise NotImplementedError

    def open(self) -> Store:
        """Another store object on the same records."""
        self._opened.append(open_store(self.url, self.clock))
        return self._opened[-1]

    def advance(self, seconds: float) -> None:
        """Let so much time pass for the store."""
        self.clock.now += seconds

    def fill(self, count: int, ttl: float) -> None:
        """Put entries `fill0`, `fill1`, … there by the shortest way."""
        raise NotImplementedError

    def close(self) -> None:
        for store in self._opened:
            store.close()


class Memory(Place):
    shared = False
    url = "memory://"

    def open(self) -> Store:
        return self._opened[0] if self._opened else super().open()

    def fill(self, count: int, ttl: float) -> None:
        for n in range(count):
            self.store.swap(f"fill{n}", None, b"x", ttl)


class Sqlite(Place):
    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder}/otp.db"

    def fill(self, count: int, ttl: float) -> None:
        self.store.ping()
        end = self.clock.now + ttl
        with sqlite3.connect(self.folder / "otp.db") as db:
            db.executemany("INSERT INTO entries VALUES (?, ?, ?)", ((f"fill{n}", b"x", end) for n in range(count)))
        db.close()


PLACES: dict[str, Callable[[Path], Place]] = {"memory": Memory, "sqlite": Sqlite}
SHARED = [name for name, kind in PLACES.items() if kind.shared]  # type: ignore[attr-defined]


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Each kind of store in turn."""
    place = PLACES[request.param](tmp_path)
    yield place
    place.close()


@pytest.fixture
def store(place: Place) -> Store:
    return place.store


@pytest.fixture(params=SHARED)
def shared_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Each kind of store that several processes can open."""
    place = PLACES[request.param](tmp_path)
    yield place
    place.close()
