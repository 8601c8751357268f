"""Commands in processes that are forked from one that has imported the package: importing is most of a short command,
and of a server's start.

A command is "gunicorn" with options beside our configuration, or "patient" (see tests/patience.py) with them, or the
arguments of `python -m otp_app`. `python -m tests.forking SOCKET` takes each as `[folder, environment, command,
seconds]` with two files: one for what it says, and one for its pid and in the end its status.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import json
import multiprocessing
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[1]
LONGEST = 60  # seconds, after which a command that is waited for is killed
NUMBER = struct.Struct("i")
MESSAGE = 100_000  # bytes at most
#: Not gRPC, which cannot be forked.
LOADED = ("otp_app.cli", "otp_app.serving.app", "otp_app.stores.sqlite.store", "otp_app.stores.redis.store",
          "otp_app.stores.postgres.store", "otp_app.channels.twilio.sms", "otp_app.channels.twilio.whatsapp",
          "otp_app.channels.twilio.sdk", "otp_app.apis.native.api", "otp_app.web.gunicorn.worker",
          "otp_app.serving.configuration", "gunicorn.arbiter", "gunicorn.app.wsgiapp", "tests.patience")  # fmt: skip


class Forking:
    """The process that is forked. `preexec_fn`: what it does before everything else."""

    def __init__(self, preexec_fn: Callable[[], None] | None = None) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forking", str(theirs.fileno())], cwd=ROOT, stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()], preexec_fn=preexec_fn, start_new_session=True,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
            )  # fmt: skip

    def start(
        self, folder: Path, environment: dict[str, str], *command: str, said: int, seconds: int = 0
    ) -> ForkedProcess:
        """Start a command in the folder, with these variables alone; `said`: the open file for all that it writes.

        It is killed after `seconds`; 0: never.
        """
        order = json.dumps([str(folder), environment, command, seconds]).encode()
        reading, writing = os.pipe()
        try:
            socket.send_fds(self._socket, [order], [said, writing])
        finally:
            os.close(writing)
        return ForkedProcess(reading)

    def run(self, folder: Path, environment: dict[str, str], *command: str) -> tuple[int, str]:
        """Return the exit status of a command, and what it wrote to stdout and stderr."""
        with os.fdopen(os.memfd_create("said"), errors="replace") as text:
            status = self.start(folder, environment, *command, said=text.fileno(), seconds=LONGEST).wait()
            text.seek(0)
            return status, text.read()

    def close(self) -> None:
        """End it. What it has started goes on."""
        self._socket.close()
        self._process.wait()


class ForkedProcess:
    """A command that runs, with what `subprocess.Popen` has of this name; it leads a session of its own."""

    def __init__(self, reading: int) -> None:
        self._reading, self._lock = reading, threading.Lock()
        self.pid, self.returncode = self._number(), None

    def __del__(self) -> None:
        os.close(self._reading)

    def _number(self) -> int:
        number: int = NUMBER.unpack(os.read(self._reading, NUMBER.size))[0]
        return number

    def poll(self) -> int | None:
        """The exit status, or None while it runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, once it ended. Raises TimeoutExpired after so many seconds."""
        ended = select.poll()
        ended.register(self._reading, select.POLLIN)
        if not ended.poll(timeout and timeout * 1000):
            raise subprocess.TimeoutExpired("a forked command", timeout or 0)
        with self._lock:
            if self.returncode is None:
                self.returncode = self._number()
            return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it ended this moment
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


@functools.cache
def shared() -> Forking:
    """One for all tests of this process, started when it is first needed."""
    forking, ours = Forking(), os.getpid()
    atexit.register(lambda: forking.close() if os.getpid() == ours else None)
    return forking


def functions() -> multiprocessing.context.BaseContext:
    """How tests start processes that run a function of theirs: forked from one that has imported what they need."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytest", "tests.running", "tests.stores.faults", *LOADED])
    return context


# ---- the process that is forked


def _become(folder: str, environment: dict[str, str], command: list[str]) -> int | None:
    """Run the command as if it had been started here, with these variables."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:1] = [folder, *environment.get("PYTHONPATH", str(ROOT)).split(":")]
    if command[0] == "patient":
        import_module("tests.patience").wait_long()
    if command[0] not in ("gunicorn", "patient"):
        return import_module("otp_app.cli").main(command)
    import_module("gunicorn.config").Chdir.default = folder  # noted where it was imported
    sys.argv = ["gunicorn", "-c", str(ROOT / "deploy/gunicorn.conf.py"), *command[1:], "wsgi:app"]
    sys.orig_argv = [sys.executable, "-m", *sys.argv]
    import_module("gunicorn.app.wsgiapp").run()
    return None


def _run(order: bytes, said: int, told: int) -> None:
    """Tell the own pid and end as the command does, or earlier."""
    folder, environment, command, seconds = json.loads(order)
    os.setsid()
    signal.alarm(seconds)
    os.dup2(said, 1)
    os.dup2(said, 2)
    os.write(told, NUMBER.pack(os.getpid()))
    os.close(said)
    os.close(told)
    sys.exit(_become(folder, environment, command))


def _look_after(order: bytes, said: int, told: int) -> None:
    """Start the command, and tell its status once it ended: who asked for it is not its parent."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if not (child := os.fork()):
        _run(order, said, told)
    os.close(said)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with contextlib.suppress(BrokenPipeError):  # nobody waits any more
        os.write(told, NUMBER.pack(status))
    os._exit(0)


def _serve(asked: socket.socket) -> None:
    for module in LOADED:
        import_module(module)
    gc.collect()
    gc.freeze()  # else the collector copies all memory
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while (received := socket.recv_fds(asked, MESSAGE, 2))[0]:
        order, (said, told) = received[:2]
        if not os.fork():
            asked.close()
            _look_after(order, said, told)
        os.close(said)
        os.close(told)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
