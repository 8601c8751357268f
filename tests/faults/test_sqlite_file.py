"""The SQLite file locked, on a full or read-only disk, and damaged: 503 and no acceptance, never a 500."""

from __future__ import annotations

import random
import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from otp_app.settings.keyring import new_lines
from tests.faults.conftest import on_disk, read_only
from tests.faults.load import Clients, at_once, other_code
from tests.provider import Provider
from tests.running import DidNotStartError, RunningServer


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Hold the write lock of a database file, as a backup or a stray shell might."""
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def test_a_locked_file_is_503_and_recovers(clients: Callable[..., Clients]) -> None:
    """While another process holds the lock nothing is sent and nothing accepted; afterwards the code still works."""
    calm = clients()
    number = calm.next_number()
    calm.send(number)
    code = calm.provider.code(number)
    with locked(calm.server.database):
        answers = at_once(12, lambda n: calm.send(calm.next_number()) if n else calm.attempt(number, code))
        assert calm.server.healthy()
    assert {event.status for event in answers} == {503}
    assert len(calm.provider.posts) == 1
    assert [calm.attempt(number, code).status for _ in range(2)] == [200, 400]
    assert calm.send(calm.next_number()).status == 200
    assert calm.faults() == []


def test_a_full_disk_is_503_and_recovers(clients: Callable[..., Clients], small_disk: Path) -> None:
    """Without room for another page sends and checks are refused; with room again they go on."""
    calm = clients(**on_disk(small_disk))
    number = calm.next_number()
    calm.send(number)
    filler = small_disk / "filler"
    fill(filler)
    assert_refused_for_now(calm)
    code = calm.provider.code(number)
    refused = calm.attempt(number, code).status == 503  # or a page that SQLite gave back is room enough for it
    filler.unlink()
    assert calm.attempt(number, code).status == (200 if refused else 400)
    assert calm.faults() == []


def test_files_that_may_not_grow_are_503_and_recover(clients: Callable[..., Clients]) -> None:
    """The same by a limit on the size of files, which is another error of the system."""
    calm = clients(OTP_LOG_LEVEL="ERROR")  # the log has the same limit
    number = calm.next_number()
    calm.send(number)
    (worker,) = calm.server.worker_pids()
    _, most = resource.prlimit(worker, resource.RLIMIT_FSIZE)
    resource.prlimit(worker, resource.RLIMIT_FSIZE, (4096, most))
    assert_refused_for_now(calm)
    resource.prlimit(worker, resource.RLIMIT_FSIZE, (most, most))
    assert calm.attempt(number, calm.provider.code(number)).status == 200
    assert calm.faults() == []


def fill(file: Path) -> None:
    """Use up the disk."""
    with file.open("wb", buffering=0) as filler, suppress(OSError):
        while filler.write(bytes(4096)):
            pass


def assert_refused_for_now(clients: Clients) -> None:
    """Every send is refused with 503 and makes no message, once the room that was left is used up."""
    answers = [clients.send(clients.next_number()) for _ in range(60)]
    assert {event.status for event in answers} <= {200, 503}
    assert {event.status for event in answers[-5:]} == {503}
    assert clients.server.healthy()


def test_a_read_only_disk_is_refused_at_the_start(
    server: Callable[..., RunningServer], small_disk: Path
) -> None:
    """A store that cannot write is reported in one line, not found out by the first caller."""
    server(**on_disk(small_disk)).stop()
    read_only(small_disk)
    with pytest.raises(DidNotStartError) as refused:
        server(**on_disk(small_disk))
    assert_one_line(str(refused.value))


@pytest.mark.parametrize("damage", ["not a database", "a damaged one"])
def test_a_damaged_file_is_refused_at_the_start(
    server: Callable[..., RunningServer], fake_twilio: Provider, tmp_path: Path, damage: str
) -> None:
    """A file that is no database, or has garbage inside, is reported in one line."""
    database = tmp_path / "otp.db"
    if damage == "not a database":
        database.write_bytes(b"something else\n" * 1000)
        keys = database.with_suffix(".keys")
        keys.write_text(new_lines())
        keys.chmod(0o600)
    else:
        running = server()
        for number in range(50):
            running.post("/send-otp", {"phone_number": f"+141555520{number:02d}"})
        running.stop()
        overwrite(database, keep=100)
    with pytest.raises(DidNotStartError) as refused:
        server()
    assert_one_line(str(refused.value))


def assert_one_line(log: str) -> None:
    """The last start said what is wrong with the store in one line, and showed no traceback."""
    assert "Traceback" not in log
    assert [line for line in log.splitlines() if "otp.db" in line or "store" in line.lower()], log


def test_damage_under_way_is_never_a_500_nor_a_false_acceptance(clients: Callable[..., Clients]) -> None:
    """A file that turns into garbage under a running server is refused when it is read; what memory holds goes on."""
    calm = clients()
    numbers = [calm.next_number() for _ in range(30)]
    for number in numbers:
        calm.send(number)
    for suffix in ("", "-wal"):
        overwrite(calm.server.database.with_name(f"otp.db{suffix}"), keep=0)
    for number in numbers:
        calm.attempt(number, other_code(calm.provider.code(number)))
        calm.attempt(number, calm.provider.code(number))
        calm.send(calm.next_number())
    assert calm.server.healthy()
    assert {event.status for event in calm.history.events[len(numbers) :]} <= {200, 400, 503}
    assert calm.faults() == []


def overwrite(file: Path, keep: int) -> None:
    """Put garbage in the place of everything after the first `keep` bytes; the size stays."""
    with file.open("r+b") as damaged:
        size = damaged.seek(0, 2)
        damaged.seek(keep)
        damaged.write(random.Random(1).randbytes(max(size - keep, 0)))
