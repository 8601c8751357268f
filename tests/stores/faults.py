"""What the tests of SQLite's faults share: threads, other processes, refusals."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from otp_app.core.errors import StoreUnavailable
from otp_app.stores.sqlite.store import SqliteStore

HOUR = 3600.0


def refused(*calls: Callable[[], object]) -> list[str]:
    """Call each; return what each StoreUnavailable says."""
    said = []
    for call in calls:
        with pytest.raises(StoreUnavailable) as fault:
            call()
        said.append(str(fault.value))
    return said


def until(true: Callable[[], object]) -> None:
    """Wait, a minute at most."""
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.001)


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


@contextmanager
def writer_held(store: SqliteStore) -> Iterator[None]:
    """Keep the writer inside a transaction: all that comes meanwhile waits for the next one."""
    inside, go = threading.Event(), threading.Event()

    def stay(_: object) -> None:
        inside.set()
        go.wait(30)

    holder = in_thread(lambda: store._writer.do(stay))
    assert inside.wait(30)
    try:
        yield
    finally:
        go.set()
        holder.join()


def waiting(store: SqliteStore, works: list[Callable[[], object]]) -> list[threading.Thread]:
    """Start each work in a thread, in this order; return when the change of each waits for the writer."""
    threads = []
    for number, work in enumerate(works, start=len(store._writer._waiting) + 1):
        threads.append(in_thread(work))
        until(lambda number=number: len(store._writer._waiting) == number)
    return threads


LOCK = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process holds the write lock of a file."""
    command = [sys.executable, "-c", LOCK, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "locked\n"  # type: ignore[union-attr]
        yield
        other.communicate()
