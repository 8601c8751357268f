"""Workers as processes, and sign-ups that ask them for codes, noted for the history checker."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from otp_app.bus.errors import BusUnavailable
from otp_app.bus.letters import Letter, Route
from otp_app.bus.publisher import Publisher
from otp_app.bus.sign_ups import SignUps
from otp_app.core.results import SendRequest
from tests.forking import ForkedProcess, shared
from tests.history import History
from tests.rabbit import Rabbit
from tests.running import Answer, wait_until

HASTY = """\
import sys
from otp_app.bus import connecting
from otp_app.cli import main
connecting.HEARTBEAT = {}
sys.exit(main(sys.argv[1:]))
"""


class Worker:
    """One `python -m otp_app worker KIND`, in a folder, with these variables and no others.

    `heartbeat`: the seconds by which it notices a broker that says nothing, where a test cannot wait for its own.
    """

    def __init__(self, folder: Path, environment: dict[str, str], kind: str = "otp", heartbeat: int = 0) -> None:
        self.log_file = folder / f"worker-{kind}-{os.urandom(4).hex()}.log"
        with self.log_file.open("wb") as log:
            self._process: subprocess.Popen[bytes] | ForkedProcess = subprocess.Popen(
                [sys.executable, "-c", HASTY.format(heartbeat), "worker", kind], cwd=folder, env=environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            ) if heartbeat else shared().start(folder, environment, "worker", kind, said=log.fileno())  # fmt: skip
        wait_until(lambda: "receiving" in self.log() or self._process.poll() is not None, "a worker", 60)
        assert self._process.poll() is None, self.log()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def log(self) -> str:
        """Everything it said."""
        return self.log_file.read_text(errors="replace")

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit status, once it ended."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        return self._process.wait(60)


class Repeating:
    """A publisher that sees no confirmation, and makes copies of each message."""

    def __init__(self, publisher: Publisher, copies: int) -> None:
        self._publisher, self._copies = publisher, copies

    def publish(self, route: Route, letter: Letter) -> None:
        """Publish the copies."""
        for _ in range(self._copies):
            self._publisher.publish(route, letter)


def ask(publisher: Publisher | Repeating, number: str, history: History) -> None:
    """Sign up, as a server does."""
    sign_ups = SignUps(publisher, frozenset(), frozenset(), time.time)

    def request() -> Answer:
        headers = http.client.HTTPMessage()
        try:
            sign_ups.ask(number, SendRequest(), lambda: None)
        except BusUnavailable as error:
            headers["Retry-After"] = str(error.retry_after)
            return Answer(503, headers, {})
        return Answer(200, headers, {})

    history.record("send", number, "", request, "signup")


def bodies(rabbit: Rabbit, route: Route) -> list[Any]:
    """What is in a queue and with nobody; it stays there."""
    with rabbit.channel(rabbit.url()) as channel:
        got = iter(lambda: channel.basic_get(route.queue), (None, None, None))
        return [json.loads(body) for _, _, body in got]
