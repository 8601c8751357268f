"""Commands in processes that are forked from one that has imported the package: importing is most of a short command.

`python -m tests.forking` reads lines of JSON, `[folder, environment, command]`, and answers each with `[exit
status, what it said]`. A command is "gunicorn" with options beside our configuration, or arguments of `python -m
otp_app`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from gunicorn import config
from gunicorn.app import wsgiapp

from otp_app import cli
from tests.running import ROOT

LONGEST = 60  # seconds, after which a command is killed


class Forking:
    """The process that is forked. `preexec_fn`: what it does before everything else."""

    def __init__(self, preexec_fn: Callable[[], None] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.forking"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, preexec_fn=preexec_fn,
        )  # fmt: skip

    def run(self, folder: Path, environment: dict[str, str], *command: str) -> tuple[int, str]:
        """Return the exit status of a command, and what it wrote to stdout and stderr."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([str(folder), environment, command]) + "\n")
        self._process.stdin.flush()
        status, said = json.loads(self._process.stdout.readline())
        return status, said

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def _run(folder: str, environment: dict[str, str], command: list[str]) -> int:
    """Become the command, as if it had been started; return its exit status."""
    signal.alarm(LONGEST)
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = environment.get("PYTHONPATH", "").split(":")
    if command[0] == "gunicorn":
        config.Chdir.default = folder  # gunicorn has noted where it was imported
        sys.argv = ["gunicorn", "-c", str(ROOT / "deploy/gunicorn.conf.py"), *command[1:], "wsgi:app"]
        wsgiapp.run()
    return cli.main(command)


def _end(folder: str, environment: dict[str, str], command: list[str]) -> NoReturn:
    """Run the command and end at once, without the interpreter's own end, which copies all memory."""
    status = 1
    try:
        status = _run(folder, environment, command)
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    finally:
        sys.stdout.flush()
        os._exit(status)


def _serve() -> None:
    for module in ("otp_app.app", "otp_app.stores.sqlite.store", "otp_app.web.gunicorn.worker", "gunicorn.arbiter"):
        import_module(module)
    for line in sys.stdin:
        said = os.memfd_create("said")
        if not (child := os.fork()):
            os.dup2(said, 1)
            os.dup2(said, 2)
            _end(*json.loads(line))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.lseek(said, 0, os.SEEK_SET)
        with os.fdopen(said, errors="replace") as text:
            print(json.dumps([status, text.read()]), flush=True)


if __name__ == "__main__":
    _serve()
