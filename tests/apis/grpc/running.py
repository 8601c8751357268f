"""`python -m otp_app grpc` in a process of its own, on the stand-in for Twilio or on anything else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from tests.apis.grpc.calling import Client
from tests.running import START_TIMEOUT, free_port, wait_until


class RunningGrpc:
    """The server in a folder of its own, with no variable but those given."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.port, self._log = free_port(), folder / "grpc.log"
        self.target = f"127.0.0.1:{self.port}"
        self._process = self._started(folder, environment | {"OTP_GRPC_PORT": str(self.port)})

    def _started(self, folder: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        with self._log.open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "otp_app", "grpc"], cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={"PATH": os.environ["PATH"]} | environment,
            )  # fmt: skip

    def __enter__(self) -> RunningGrpc:
        wait_until(lambda: " at " in self.log() or self._process.poll() is not None, "a server", START_TIMEOUT)
        assert self._process.poll() is None, self.log()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def term(self) -> None:
        """Ask it to finish what it has begun and to end."""
        self._process.terminate()

    def wait(self) -> int:
        """The exit status, once it ended."""
        return self._process.wait(40)

    def client(self, key: str = "") -> Client:
        """A client on a connection of its own."""
        return Client(self.target, key)

    def log(self) -> str:
        """What it said."""
        return self._log.read_text(errors="replace")
