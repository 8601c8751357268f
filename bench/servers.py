"""The two servers that are compared: how they start, where they run, what they use, how they end."""

from __future__ import annotations

import base64
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from standin import ACCOUNT, StandIn

ROOT = Path(__file__).resolve().parent.parent
CPUS = sorted(os.sched_getaffinity(0))
SERVER_CPU, LOAD_CPU = (CPUS[0], CPUS[1]) if len(CPUS) > 1 else (None, None)
THREADS = 256
KEY, INDEX_KEY = (base64.b64encode(os.urandom(32)).decode() for _ in range(2))  # any two that are random
TICK = os.sysconf("SC_CLK_TCK")

ARGUMENTS = {
    "bare": ["--bind", "127.0.0.1:{port}", "--worker-class", "gthread", "--workers", "1", "--threads", str(THREADS),
             "--worker-connections", str(THREADS + 1000), "--keep-alive", "75", "--no-control-socket", "--log-level",
             "warning", "bare:app"],
    "ours": ["-c", str(ROOT / "deploy" / "gunicorn.conf.py"), "wsgi:app"],
}


class Server:
    """One server in a session of its own, on a CPU of its own where there are two."""

    def __init__(self, name: str, folder: Path, standin: StandIn, store: str, command: str = "") -> None:
        self.name, self.folder, self.port = name, folder, free_port()
        self.environment = environment(self.port, standin, store)
        self._command = [sys.executable, "-m", "gunicorn", *(a.format(port=self.port) for a in ARGUMENTS.get(name, []))]
        if command:
            del self.environment["PYTHONPATH"]  # of this checkout
            self._command = [part.replace("{port}", str(self.port)) for part in shlex.split(command)]
        self._log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Return the seconds from the start of the process to its first healthy answer."""
        begin = time.perf_counter()
        with self._log.open("ab") as log:
            # It runs outside the repository, so that a developer's .env has no say.
            self._process = subprocess.Popen(self._command, cwd=self.folder, env=self.environment, stdout=log,
                                             stderr=log, start_new_session=True, preexec_fn=lambda: pin(SERVER_CPU))
        while not healthy(self.port):
            if self._process.poll() is not None or time.perf_counter() - begin > 30:
                raise RuntimeError(f"{self.name} does not start:\n" + self.last_words())
            time.sleep(0.002)
        return time.perf_counter() - begin

    def stop(self) -> None:
        """Kill the whole session: what is measured is over, and its folder is thrown away."""
        if self._process:
            with suppress(ProcessLookupError):  # it may have ended by itself
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def cpu_seconds(self) -> float:
        """CPU time that the server's processes have used so far."""
        return sum(sum(map(int, fields[11:15])) for _, fields in self._processes()) / TICK

    def switches(self) -> int:
        """How often the server's threads have given up their CPU so far, to wait for something."""
        files = (file for pid, _ in self._processes() for file in Path(f"/proc/{pid}/task").glob("*/status"))
        lines = (line for file in files for line in read(file).splitlines())
        return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))

    def memory(self) -> float:
        """Proportional set size of the server's processes in MiB: shared pages are shared out between their users."""
        rollups = (Path(f"/proc/{pid}/smaps_rollup").read_text() for pid, _ in self._processes())
        return sum(int(line.split()[1]) for text in rollups for line in text.splitlines() if line[:4] == "Pss:") / 1024

    def last_words(self) -> str:
        """The end of what the server wrote to its log."""
        return self._log.read_text(errors="replace")[-2000:]

    def _processes(self) -> Iterator[tuple[int, list[str]]]:
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and (fields := stat_fields(entry)) and int(fields[3]) == self._process.pid:
                yield int(entry.name), fields


def environment(port: int, standin: StandIn, store: str) -> dict[str, str]:
    """Return all that a server is told; nothing of the caller's own environment but its PATH."""
    told = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "bench")]),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "WEB_CONCURRENCY": "1",
        "OTP_THREADS": str(THREADS),
        "OTP_STORE_URL": store, "OTP_SECRET_KEYS": f"k1:{KEY}", "OTP_INDEX_KEY": INDEX_KEY,
        "OTP_CHANNELS": "sms",
        "OTP_CLIENT_LIMITS": "",
        "OTP_CHECK_LIMITS": "",
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_AUTH_TOKEN": "0123456789abcdef" * 2,
        "TWILIO_PHONE_NUMBER": "+15005550006",
        "TWILIO_API_BASE_URL": standin.url,
    }
    trusted = {"SSL_CERT_FILE": str(standin.bundle), "REQUESTS_CA_BUNDLE": str(standin.bundle)}
    return told | (trusted if standin.bundle else {})


def pin(cpu: int | None) -> None:
    """Keep this process on one CPU."""
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})


def healthy(port: int) -> bool:
    """Whether GET /healthz answers 200."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def read(file: Path) -> str:
    """The text of a file of /proc; none when its process or thread is gone."""
    try:
        return file.read_text()
    except OSError:
        return ""


def stat_fields(process: Path) -> list[str]:
    """The fields of /proc/PID/stat after the command's name; none when the process is gone."""
    return read(process / "stat").rpartition(")")[2].split()


def machine_seconds() -> float:
    """CPU time that the whole machine has been busy so far, steal included."""
    user, nice, system, _, _, *rest = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9])
    return (user + nice + system + sum(rest)) / TICK
