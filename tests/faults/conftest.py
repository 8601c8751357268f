"""Servers and clients for the fault tests."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import absent, postgres_folder, require, require_postgres
from tests.faults.load import Clients
from tests.provider import Provider
from tests.running import RunningServer
from tests.services import Postgres


@pytest.fixture
def clients(server: Callable[..., RunningServer], fake_twilio: Provider) -> Callable[..., Clients]:
    """Call it to start a server (see RunningServer) and get clients for it."""
    return lambda **settings: Clients(server(**settings), fake_twilio)


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[Postgres]:
    """A PostgreSQL that these tests may stop and kill; what it does not write at once it writes very late."""
    with postgres_folder() as folder:
        server = Postgres(folder, require_postgres(), wal_writer_delay="10s")
        server.start()
        yield server
        server.stop(signal.SIGQUIT)


@pytest.fixture
def postgres(own_postgres: Postgres) -> Postgres:
    """The same, running again whatever the last test did to it."""
    if not own_postgres.answers():
        own_postgres.stop()
        own_postgres.start()
    return own_postgres


@contextmanager
def small_file_system(folder: Path) -> Iterator[Path]:
    """Make the folder a file system of its own with one megabyte."""
    if os.geteuid() != 0:
        absent("root, to mount a small file system")
    mount, umount = require("mount"), require("umount")
    folder.mkdir()
    made = subprocess.run([mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False)
    if made.returncode:
        absent(f"the right to mount a small file system ({made.stderr.decode().strip()})")
    try:
        yield folder
    finally:
        subprocess.run([umount, "--lazy", folder], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with one megabyte."""
    with small_file_system(tmp_path / "disk") as folder:
        yield folder


def read_only(folder: Path) -> None:
    """Let nothing on this file system be changed any more."""
    subprocess.run([require("mount"), "-o", "remount,ro", folder], check=True)


def on_disk(folder: Path, **settings: Any) -> dict[str, Any]:
    """Settings that keep the store, but not the log, in a folder."""
    return {"store": f"sqlite:///{folder}/otp.db", **settings}
