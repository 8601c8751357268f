"""RabbitMQ for tests: a private broker on free loopback ports, with a private epmd, both stopped by their pid."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pika

from otp_app.bus.letters import EXCHANGE, ROUTES
from tests.running import free_port, wait_until
from tests.services import ENVIRONMENT, Service

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # Debian's own on the PATH would change to its user
START_TIMEOUT = 180.0  # seconds
CONFIGURATION = """\
loopback_users = none
log.console = true
log.console.level = warning
log.file = false
"""


def is_here() -> bool:
    """Whether Debian's packages are installed."""
    return SERVER.exists() and shutil.which("epmd") is not None


class Rabbit(Service):
    """A broker."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._epmd: subprocess.Popen[bytes] | None = None
        self._epmd_port, self._distribution_port = free_port(), free_port()
        (folder / "rabbitmq.conf").write_text(CONFIGURATION, encoding="ascii")
        (folder / "enabled_plugins").write_text("[].", encoding="ascii")

    def environment(self) -> dict[str, str]:
        """Everything of it in its own folder, nothing beyond loopback."""
        own = {
            "HOME": self.folder, "RABBITMQ_NODENAME": f"otp{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1", "RABBITMQ_NODE_PORT": self.port,
            "RABBITMQ_DIST_PORT": self._distribution_port, "RABBITMQ_MNESIA_BASE": self.folder / "data",
            "RABBITMQ_LOG_BASE": self.folder, "RABBITMQ_CONFIG_FILE": self.folder / "rabbitmq.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": self.folder / "enabled_plugins",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none",
            "ERL_EPMD_ADDRESS": "127.0.0.1", "ERL_EPMD_PORT": self._epmd_port, "ERL_CRASH_DUMP": os.devnull,
        }  # fmt: skip
        return ENVIRONMENT | {name: str(value) for name, value in own.items()}

    def command(self) -> list[str]:
        """The server's script, which becomes the server."""
        return [str(SERVER)]

    def start(self, wait: bool = True) -> None:
        """Start epmd, then the broker."""
        if self._epmd is None:
            self._epmd = subprocess.Popen(
                ["epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1"],
                env=self.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), cwd=self.folder, env=self.environment(), stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True,
            )  # fmt: skip
        if wait:
            wait_until(self.answers, f"the start of RabbitMQ: {self.log()}", START_TIMEOUT)

    def kill(self) -> None:
        """SIGKILL to it and its children, which are in its session."""
        os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def close(self) -> None:
        """End it and its epmd."""
        self.stop()
        if self._epmd is not None:
            self._epmd.terminate()
            self._epmd.wait()

    def answers(self) -> bool:
        """Whether it takes connections."""
        try:
            with self.channel(self.url()):
                return True
        except (pika.exceptions.AMQPError, OSError):
            return False

    def empty(self) -> None:
        """Delete exchange and queues."""
        with self.channel(self.url()) as channel:
            channel.exchange_delete(EXCHANGE)
            for queue, _ in ROUTES:
                channel.queue_delete(queue)

    def url(self, host: str = "%2F", port: int | None = None) -> str:
        """The URL of a virtual host; `port`: of a proxy before the broker."""
        return f"amqp://guest:guest@127.0.0.1:{port or self.port}/{host}"

    @contextlib.contextmanager
    def channel(self, url: str) -> Iterator[Any]:
        """A channel for tests."""
        connection = pika.BlockingConnection(pika.URLParameters(url))
        try:
            yield connection.channel()
        finally:
            with contextlib.suppress(pika.exceptions.AMQPError):
                connection.close()
