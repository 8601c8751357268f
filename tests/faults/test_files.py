"""Files of the store and the keys that cannot be used end the start: one line, status 78, nothing left behind."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from otp_app.settings.keyring import new_lines
from tests.faults.conftest import small_file_system
from tests.forking import Forking
from tests.provider import Provider
from tests.running import DidNotStartError, RunningServer

_LIBC, _DROP, _RIGHTS = ctypes.CDLL(None), 24, (1, 2)  # PR_CAPBSET_DROP; CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


def bound_by_modes() -> None:
    """Give up, for what is executed next, root's right to use files whatever their modes are."""
    for right in _RIGHTS:
        _LIBC.prctl(_DROP, right, 0, 0, 0)


@pytest.fixture
def var(tmp_path: Path) -> Iterator[Path]:
    """The folder of the store."""
    var = tmp_path / "var"
    var.mkdir(mode=0o700)
    yield var
    var.chmod(0o700)


def write(file: Path, content: str, mode: int = 0o600) -> None:
    file.write_text(content)
    file.chmod(mode)


def closed(var: Path) -> None:
    var.chmod(0o000)  # to its user it is as another user's


def no_folder(var: Path) -> None:
    var.rmdir()
    write(var, "")


def beside_keys(what: Callable[[Path], None], name: str = "otp.db") -> Callable[[Path], None]:
    """Good keys, and something in the place of a database."""

    def make(var: Path) -> None:
        write(var / "otp.keys", new_lines())
        what(var / name)

    return make


def fifo(path: Path) -> None:
    os.mkfifo(path, 0o600)


def folder(path: Path) -> None:
    path.mkdir(mode=0o700)


def unwritable(path: Path) -> None:
    write(path, "", 0o400)


CASES: dict[str, Callable[[Path], None]] = {
    "a folder of another user": closed,
    "a folder that may not be written": lambda var: var.chmod(0o500),
    "a file in the place of its folder": no_folder,
    "an empty key file": lambda var: write(var / "otp.keys", ""),
    "half a key file": lambda var: write(var / "otp.keys", new_lines()[:40]),
    "the first line of a key file": lambda var: write(var / "otp.keys", new_lines().partition("\n")[0]),
    "a folder as key file": lambda var: folder(var / "otp.keys"),
    "a FIFO as key file": lambda var: fifo(var / "otp.keys"),
    "a key file that may not be read": lambda var: write(var / "otp.keys", new_lines(), 0o200),
    "a folder as database": beside_keys(folder),
    "a FIFO as database": beside_keys(fifo),
    "an empty database": beside_keys(lambda path: write(path, "")),
    "a database that may not be written": beside_keys(unwritable),
    "a folder as counters": beside_keys(folder, "otp-counters.db"),
    "a FIFO as counters": beside_keys(fifo, "otp-counters.db"),
    "counters that may not be written": beside_keys(unwritable, "otp-counters.db"),
}


@pytest.fixture(scope="session")
def bound() -> Iterator[Forking]:
    """What runs commands without root's right to all files."""
    with closing(Forking(bound_by_modes)) as forking:
        yield forking


@pytest.mark.parametrize("case", CASES)
def test_a_file_that_cannot_be_used_ends_the_start(var: Path, bound: Forking, case: str) -> None:
    """With one line that names what to mend, and the status that tells a supervisor not to try again."""
    CASES[case](var)
    before = names(var.parent)
    server = server_in(var, "")
    status, said = bound.run(server.folder, server.environment, "gunicorn")
    assert status == os.EX_CONFIG
    one_line(said)
    database = {"otp.db", "otp.db-wal", "otp.db-shm"} if "counters" in case else set()  # it is in order
    assert names(var.parent) - before <= database
    status, said = bound.run(server.folder, server.environment, "check")
    assert status == 1
    one_line(said)


def test_a_full_disk_ends_the_start_and_leaves_nothing(var: Path, fake_twilio: Provider) -> None:
    """The next start finds no part of a key file."""
    with small_file_system(var / "small") as disk:
        with (disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
            while filler.write(bytes(4096)):
                pass
        server = server_in(disk, fake_twilio.url)
        assert refusal(server) == os.EX_CONFIG
        assert "No space left" in one_line(server.log())
        assert names(disk) == {"filler"}
        (disk / "filler").unlink()
        server.start(preexec_fn=bound_by_modes).stop()


def server_in(var: Path, provider: str) -> RunningServer:
    """A server whose store and keys are in this folder."""
    return RunningServer(var.parent, provider, store=f"sqlite:///{var}/otp.db", OTP_LOG_LEVEL="ERROR")


def refusal(server: RunningServer) -> int:
    """The exit status of a start that was refused."""
    with pytest.raises(DidNotStartError):
        server.start(preexec_fn=bound_by_modes)
    return server.wait(0)


def one_line(said: str) -> str:
    """The only line."""
    (line,) = said.splitlines()
    assert "OTP_" in line
    return line


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}
