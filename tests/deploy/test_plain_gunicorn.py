"""gunicorn without deploy/gunicorn.conf.py, and flask run: what they must not make of the server."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import ROOT, RunningServer, call, free_port, wait_until

ENVIRONMENT = {
    "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "OTP_STORE_URL": "memory://",
}  # fmt: skip
ONE_WORKER = "OTP_STORE_URL: a store in memory is for one worker"


@contextlib.contextmanager
def plain(folder: Path, *arguments: str, **settings: str) -> Iterator[tuple[subprocess.Popen[bytes], int, Path]]:
    """gunicorn as its own defaults have it, on a free port: its process, the port, and what it says."""
    port, log = free_port(), folder / "log"
    bind = ("-b", f"127.0.0.1:{port}", "--no-control-socket")
    command = [sys.executable, "-m", "gunicorn", *bind, *arguments, "wsgi:app"]
    with log.open("wb") as said:
        running = subprocess.Popen(command, cwd=folder, env=ENVIRONMENT | settings, stdin=subprocess.DEVNULL,
                                   stdout=said, stderr=said, start_new_session=True)  # fmt: skip
    try:
        yield running, port, log
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()


def healthy(port: int) -> bool:
    """Whether it answers."""
    try:
        return call(port, "GET", "/healthz").status == 200
    except OSError:
        return False


def test_a_store_in_memory_has_one_worker_however_many_are_asked_for(tmp_path: Path) -> None:
    """The other one does not begin, with a line, and the master ends instead of trying for ever.

    At two that do not begin at the same moment gunicorn itself ends with a traceback; deploy/gunicorn.conf.py does not.
    """
    with plain(tmp_path, "-w", "2") as (running, port, log):
        wait_until(lambda: healthy(port), "the one worker")
        assert running.wait(25) == 4  # gunicorn's status for an application that cannot be loaded
    assert ONE_WORKER in log.read_text()
    assert "Traceback" not in log.read_text()


def test_one_worker_more_by_a_signal_is_none(tmp_path: Path) -> None:
    """SIGTTIN: our configuration refuses it, and the worker that serves goes on with its records."""
    with RunningServer(tmp_path, "http://127.0.0.1:1", store="memory://") as running:
        workers = running.worker_pids()
        os.kill(running.pid, signal.SIGTTIN)
        wait_until(lambda: ONE_WORKER in running.log(), "the refusal")
        assert running.worker_pids() == workers
        assert running.healthy()
        running.hup()
        assert running.healthy()
        running.kill_worker()
        wait_until(running.healthy, "the next worker")


def test_workers_forked_from_a_loaded_application_do_not_share_its_memory(tmp_path: Path) -> None:
    """--preload: one of them serves, the others say that the store is not theirs."""
    number = "+919812345678"
    with plain(tmp_path, "-w", "3", "--preload", OTP_CHECK_LIMITS="") as (running, port, _):
        children = Path(f"/proc/{running.pid}/task/{running.pid}/children")
        wait_until(lambda: len(children.read_text().split()) == 3, "all workers")
        sent = [call(port, "POST", "/send-otp", {"phone_number": number}).status for _ in range(30)]
    assert sent.count(200) == 1
    assert set(sent) <= {200, 429, 503}


def test_what_a_proxy_passes_on_by_uwsgi_does_not_come_from_this_machine(tmp_path: Path) -> None:
    """gunicorn takes the proxy's address for the client's, and no header shows that there is a proxy."""
    variables = {
        "REQUEST_METHOD": "POST", "PATH_INFO": "/send-otp", "QUERY_STRING": "", "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": "2", "HTTP_HOST": "localhost", "REMOTE_ADDR": "203.0.113.9",
    }  # fmt: skip
    texts = [text.encode() for pair in variables.items() for text in pair]
    packet = b"".join(len(text).to_bytes(2, "little") + text for text in texts)
    with plain(tmp_path, "--protocol", "uwsgi") as (_, port, log):
        wait_until(lambda: "Booting worker" in log.read_text(), "the worker")
        with socket.create_connection(("127.0.0.1", port), timeout=60) as proxy:
            proxy.sendall(b"\0" + len(packet).to_bytes(2, "little") + b"\0" + packet + b"{}")
            assert proxy.recv(100).startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize("command", [["gunicorn", "wsgi:app"], ["flask", "--app", "wsgi", "run", "-p", "0"]])
def test_faults_of_the_settings_are_lines_without_our_configuration_too(tmp_path: Path, command: list[str]) -> None:
    """And an exit, without a traceback."""
    if command[0] == "gunicorn":
        command = [*command, "-b", f"127.0.0.1:{free_port()}", "--no-control-socket"]
    ended = subprocess.run([sys.executable, "-m", *command], cwd=tmp_path, env=ENVIRONMENT | {"OTP_TTL": "9999"},
                           capture_output=True, text=True, timeout=60, check=False)  # fmt: skip
    assert ended.returncode == (4 if command[0] == "gunicorn" else os.EX_CONFIG)
    assert "OTP_TTL: " in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_key_file_that_is_lost_is_a_line_without_our_configuration_too(tmp_path: Path) -> None:
    """And not a traceback."""
    (tmp_path / "otp.db").touch()
    command = [sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{free_port()}", "--no-control-socket", "wsgi:app"]
    ended = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT | {"OTP_STORE_URL": "sqlite:///otp.db"},
                           capture_output=True, text=True, timeout=60, check=False)  # fmt: skip
    assert "OTP_SECRET_KEYS: the key file otp.keys is missing beside its database" in ended.stderr
    assert "Traceback" not in ended.stderr
