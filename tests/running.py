"""The real server for tests: gunicorn on a free loopback port, in a session of its own, always stopped by its pid."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple

from tests.forking import ROOT, ForkedProcess, shared

KEY = base64.b64encode(hashlib.sha256(b"code").digest()).decode()
#: What servers on a shared store need; those on a file of their own make their own.
INDEX_KEY = base64.b64encode(hashlib.sha256(b"index").digest()).decode()
KEYS = {"OTP_SECRET_KEYS": f"k1:{KEY}", "OTP_INDEX_KEY": INDEX_KEY}
START_TIMEOUT = 60.0  # seconds until /healthz must have answered
GUNICORN = ["-m", "gunicorn"]
PATIENT = ["-c", "from gunicorn.app.wsgiapp import run; from tests.patience import wait_long; wait_long(); run()"]


class Answer(NamedTuple):
    """What came back; `json` is None where the body is not JSON."""

    status: int
    headers: http.client.HTTPMessage
    json: Any


class DidNotStartError(Exception):
    """The server ended, or never became healthy. The text is what this start said."""


#: Below those that Linux gives to outgoing connections.
PORTS = range(10_000, 32_000)


def _own_ports() -> range:
    """Those of this process of tests alone, where pytest runs several."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return PORTS[int(worker) :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]


def _endless(ports: range) -> Iterator[int]:
    """The ports in turn; other processes that run tests on this machine begin elsewhere."""
    return itertools.islice(itertools.cycle(ports), os.getpid() * 101 % len(ports), None)


_ports = _endless(_own_ports())


def free_port() -> int:
    """A port of loopback that nothing uses at the moment. It is not given again soon: its server may start later."""
    for port in _ports:
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("a cycle does not end")


def wait_until(condition: Callable[[], object], what: str, timeout: float = 60.0, every: float = 0.01) -> None:
    """Return as soon as the condition holds; fail when it does not within `timeout` seconds.

    It is looked at `every` so many seconds: more where a look is work for a server.
    """
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {timeout} s"
        time.sleep(every)


def call(port: int, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
    """One request on a connection of its own. A str or bytes body goes as it is, anything else as JSON.

    Raises OSError or http.client.HTTPException where the connection broke.
    """
    data = body if isinstance(body, str | bytes) or body is None else json.dumps(body)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, data, {"Content-Type": "application/json"} | (headers or {}))
        response = connection.getresponse()
        return Answer(response.status, response.headers, _json(response.read()))
    finally:
        connection.close()


def is_healthy(port: int) -> bool:
    """Whether GET /healthz answers 200."""
    try:
        return call(port, "GET", "/healthz").status == 200
    except (OSError, http.client.HTTPException):
        return False


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


#: what the API `inbound` needs; nobody is reached there
WRITTEN_TO = {"OTP_PUBLIC_URL": "http://127.0.0.1:9", "TWILIO_WHATSAPP_NUMBER": "+14155238886"}


class RunningServer:
    """gunicorn with our own configuration file, in a folder of its own, with no variable but those given.

    `settings` are environment variables; by default the store is an SQLite file in the folder, messages go by SMS
    to `provider`, and no limit per client holds. `patient`: its store waits longer than a busy machine takes, for tests
    that no store fails in.
    """  # fmt: skip

    def __init__(
        self, folder: Path, provider: str, *, workers: int = 1, store: str = "", patient: bool = False, **settings: str
    ) -> None:
        self.folder, self.port = folder, free_port()
        self._patient = patient
        self.url = f"http://127.0.0.1:{self.port}"
        self.database = folder / "otp.db"
        self.environment = {
            "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1",
            "HOST": "127.0.0.1", "PORT": str(self.port), "WEB_CONCURRENCY": str(workers), "OTP_THREADS": "64",
            "OTP_STORE_URL": store or f"sqlite:///{self.database}", "OTP_CHANNELS": "sms",
            "OTP_CLIENT_LIMITS": "", "OTP_CHECK_LIMITS": "",
            "TWILIO_ACCOUNT_SID": "AC" + "0" * 32, "TWILIO_AUTH_TOKEN": "faketoken1234567",
            "TWILIO_PHONE_NUMBER": "+15005550006", "TWILIO_API_BASE_URL": provider,
        } | (KEYS if store.startswith(("redis", "postgres")) else {}) | settings  # fmt: skip
        self._process: subprocess.Popen[bytes] | ForkedProcess | None = None

    @property
    def pid(self) -> int:
        """The process id of gunicorn's master."""
        assert self._process is not None, "the server was not started"
        return self._process.pid

    @property
    def log_file(self) -> Path:
        """Where everything that it writes to stdout and stderr goes, over all its starts."""
        return self.folder / "server.log"

    def start(self, executed: bool = False, **popen: Any) -> RunningServer:
        """Start it and wait until it is healthy. Raises DidNotStartError. `popen`: such as user=65534.

        It is forked from a process that has loaded the package (see tests/forking.py), unless `executed` or another
        PYTHONPATH asks for one that begins with nothing, or `popen` says how to make it.
        """
        with self.log_file.open("ab") as log:
            said = log.tell()
            if executed or popen or self.environment.get("PYTHONPATH") != str(ROOT):
                self._process = self._executed(log, popen)
            else:
                command = "patient" if self._patient else "gunicorn"
                self._process = shared().start(self.folder, self.environment, command, said=log.fileno())
        end = time.monotonic() + START_TIMEOUT
        while not self.healthy():
            if self._process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise DidNotStartError(self.log()[said:])
            time.sleep(0.02)
        return self

    def _executed(self, log: BinaryIO, popen: dict[str, Any]) -> subprocess.Popen[bytes]:
        program = PATIENT if self._patient else GUNICORN
        command = [sys.executable, *program, "-c", str(ROOT / "deploy/gunicorn.conf.py"), "wsgi:app"]
        return subprocess.Popen(command, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
                                stdout=log, stderr=log, start_new_session=True, **popen)

    def stop(self) -> int:
        """End it with all its workers, and return the exit status. Raises TimeoutExpired where it had to be killed."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.terminate()
        try:
            return self.wait(60)
        finally:
            self.kill_all()

    def wait(self, timeout: float) -> int:
        """The exit status, once it ended."""
        assert self._process is not None
        return self._process.wait(timeout)

    def kill_all(self) -> None:
        """SIGKILL to the master and all workers at once."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # its own session's group: workers may outlive the master
        self._process.wait()

    def __enter__(self) -> RunningServer:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.stop()

    def worker_pids(self) -> list[int]:
        """The process ids of the workers that live."""
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def kill_worker(self) -> int:
        """SIGKILL to one worker; returns its pid, once it is gone."""
        wait_until(self.worker_pids, "a worker")
        pid = self.worker_pids()[0]
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: pid not in self.worker_pids(), "the end of a killed worker")
        return pid

    def hup(self) -> None:
        """Reload: new workers come, the old ones finish and go. Returns once only new ones are left."""
        old = set(self.worker_pids())
        os.kill(self.pid, signal.SIGHUP)
        wait_until(lambda: (new := set(self.worker_pids())) and not new & old, "new workers after SIGHUP", 60)

    def term(self) -> None:
        """Ask it to finish what it has begun and to end."""
        os.kill(self.pid, signal.SIGTERM)

    def log(self) -> str:
        """Everything it said so far."""
        return self.log_file.read_text(errors="replace")

    def healthy(self) -> bool:
        """Whether GET /healthz answers 200."""
        return is_healthy(self.port)

    def call(self, method: str, path: str) -> Answer:
        """A request without a body."""
        return call(self.port, method, path)

    def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> Answer:
        """POST a body (see `call`) to a path."""
        return call(self.port, "POST", path, body, headers)
