"""From an empty folder: the wheel is installed, serves, and a number is approved."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from otp_app.version import __version__
from tests.conftest import absent
from tests.running import call, free_port, is_healthy, wait_until

pytestmark = pytest.mark.slow

NO_INDEX = re.compile("connection broken by|Could not find a version|No matching distribution")
NUMBER = "+14155552671"


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as who has nothing of this checkout on their paths. Most of what pip installs is never imported."""
    given = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    given |= {"PIP_RETRIES": "2", "PIP_NO_COMPILE": "1"}
    return subprocess.run(command, cwd=cwd, env=given, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a new environment that has the wheel, and from the index of this machine what it needs."""
    folder = tmp_path_factory.mktemp("fresh")
    made = run(sys.executable, "-m", "venv", "venv", cwd=folder)
    if made.returncode:
        absent("venv with pip")
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    installed = run(folder / "venv/bin/python", *install, wheel, cwd=folder)
    if installed.returncode and NO_INDEX.search(installed.stdout + installed.stderr):
        absent("a package index")
    assert installed.returncode == 0, installed.stderr
    return folder / "venv/bin"


@contextmanager
def served(programs: Path, folder: Path, *arguments: str) -> Iterator[tuple[int, subprocess.Popen[bytes], Path]]:
    """`otp-app serve` in a folder whose `.env` has the port: the port, the process and its log. Ctrl-C ends it well."""
    port, log = free_port(), folder.with_suffix(".log")
    (folder / ".env").write_text(f"PORT={port}\n", encoding="ascii")
    with log.open("wb") as said:
        process = subprocess.Popen(
            [programs / "otp-app", "serve", *arguments], cwd=folder, env={"PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True,
        )  # fmt: skip
    try:
        wait_until(lambda: process.poll() is not None or is_healthy(port), "a healthy server")
        yield port, process, log
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == 0, log.read_text()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_a_number_is_approved(programs: Path, tmp_path: Path) -> None:
    """The server has its settings and its store in the folder of the start; the code is on its screen."""
    folder = tmp_path / "empty"
    folder.mkdir()
    with served(programs, folder) as (_, _, log):
        sent = run(programs / "otp-app", "send", NUMBER, cwd=folder)
        assert sent.returncode == 0, sent.stderr
        wait_until(lambda: "Your OTP is: " in log.read_text(), "a code on the screen")
        (code,) = re.findall("Your OTP is: ([0-9]{6})", log.read_text())
        checked = run(programs / "otp-app", "verify", NUMBER, code, "--json", cwd=folder)
        assert json.loads(checked.stdout)["status"] == "approved"
    assert sorted(file.name for file in folder.iterdir()) == [".env", "var"]
    assert "Traceback" not in log.read_text()


def test_the_process_is_gunicorn_s_own(programs: Path, tmp_path: Path) -> None:
    """Its signals reach gunicorn's master: HUP reads `.env` again and USR2 starts another server at the same socket.

    A package of the same name in the folder is not taken for the one that is installed.
    """
    folder = tmp_path / "other"
    (folder / "otp_app").mkdir(parents=True)
    (folder / "otp_app/__init__.py").write_text("raise RuntimeError('another version')\n", encoding="ascii")
    with served(programs, folder, "--threads", "8") as (port, process, log):
        assert f"Listening at: http://127.0.0.1:{port} ({process.pid})" in log.read_text()
        (folder / ".env").write_text(f"PORT={port}\nOTP_MESSAGE=Read again: {{code}}\n", encoding="ascii")
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: "Hang up: Master" in log.read_text(), "the reload")
        wait_until(lambda: "Worker exiting" in log.read_text(), "the end of the first worker")
        wait_until(lambda: call(port, "POST", "/send-otp", {"phone_number": NUMBER}).status == 200, "a send")
        wait_until(lambda: "Read again: " in log.read_text(), "a code in the new words")
        process.send_signal(signal.SIGUSR2)
        wait_until(lambda: log.read_text().count("Listening at: ") == 2, "the next server")
    assert "Traceback" not in log.read_text()


def test_modules_of_the_folder_are_found(programs: Path, tmp_path: Path) -> None:
    """Those of the operator's own that settings name, by commands as by the server."""
    (tmp_path / ".env").write_text("OTP_ON_APPROVED=shop:approved\n", encoding="ascii")
    (tmp_path / "shop.py").write_text("def approved(approval):\n    pass\n", encoding="ascii")
    (tmp_path / ".env").chmod(0o600)
    checked = run(programs / "otp-app", "check", cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr


def test_it_says_its_version(programs: Path, tmp_path: Path) -> None:
    """The one of the package."""
    said = run(programs / "otp-app", "--version", cwd=tmp_path)
    assert (said.returncode, said.stdout) == (0, f"otp-app {__version__}\n")
