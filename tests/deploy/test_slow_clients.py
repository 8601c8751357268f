"""Clients that stop in the middle of a request must not stop the server."""

from __future__ import annotations

import contextlib
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.provider import Provider
from tests.running import ROOT, RunningServer, free_port, wait_until

THREADS = 4
BODY = b"POST /send-otp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{"


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """A server of four threads whose worker waits half a second for a request."""
    port = free_port()
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "PORT": str(port), "OTP_THREADS": str(THREADS)}
    environment |= {"OTP_STORE_URL": f"sqlite:///{tmp_path}/otp.db", "OTP_CLIENT_LIMITS": ""}
    command = [sys.executable, "-m", "gunicorn", "-c", str(ROOT / "deploy/gunicorn.conf.py")]
    command += ["-k", "tests.deploy.hasty.HastyWorker", "wsgi:app"]
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log)
    try:
        wait_until(lambda: healthy(port), "the server answers")
        yield port
    finally:
        server.terminate()
        server.wait(20)
    assert "Traceback" not in (tmp_path / "log").read_text()


def healthy(port: int, timeout: float = 0.3) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@pytest.mark.parametrize("beginning", [b"POST /send-otp HTT", BODY], ids=["header", "body"])
def test_unfinished_requests_give_their_threads_back(port: int, beginning: bytes) -> None:
    """Twice as many as there are threads: each is hung up on when its time is over, and others are served."""
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(2 * THREADS)]
    for client in slow:
        client.sendall(beginning)
    wait_until(lambda: healthy(port, timeout=5), "others are served")
    for client in slow:
        client.settimeout(5)
        assert client.recv(1000).startswith((b"", b"HTTP/1.1 400"))
        client.close()


def test_a_byte_now_and_then_does_not_help(port: int) -> None:
    """The time is for the whole request, not for each read."""
    client = socket.create_connection(("127.0.0.1", port))
    with client, pytest.raises(OSError):  # noqa: PT012 - which of the writes fails is the system's business
        for letter in b"POST /send-otp HTTP/1.1\r\nHost: localhost\r\nX-Slow: aaaaaaaaaaaaaaaaaaaa":
            client.sendall(bytes([letter]))
            time.sleep(0.05)


def test_a_server_without_descriptors_goes_on(tmp_path: Path, fake_twilio: Provider) -> None:
    """60 idle connections where 64 files may be open: the worker stays, and serves as soon as they go."""
    running = RunningServer(tmp_path, fake_twilio.url, OTP_THREADS="256")
    running.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
    try:
        workers = running.worker_pids()
        with contextlib.ExitStack() as stack:
            for _ in range(60):
                stack.enter_context(socket.create_connection(("127.0.0.1", running.port)))
            time.sleep(0.5)  # for the worker to come upon them
        wait_until(running.healthy, "an answer")
        assert running.post("/send-otp", {"phone_number": "+919812345678"}).status == 200
        assert running.worker_pids() == workers
    finally:
        running.stop()
