"""Clients that stop in the middle of a request must not stop the server."""

from __future__ import annotations

import contextlib
import itertools
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from otp_app.web.gunicorn import descriptors
from tests.deploy import slow
from tests.deploy.slow import HEAD
from tests.provider import Provider
from tests.running import ROOT, RunningServer, free_port, wait_until

#: What each slow client sends before it stops.
SLOW = {
    "nothing": b"",
    "head": b"POST /send-otp HTT",
    "body": HEAD + b"Content-Length: 20\r\n\r\n{",
    "large body": HEAD + b"Content-Length: 9000\r\n\r\n{",
    "chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    "no read": b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no close": b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
}


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """A server of 33 threads whose worker waits half a second for a request."""
    port = free_port()
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "PORT": str(port), "OTP_THREADS": "1"}
    environment |= {"OTP_STORE_URL": f"sqlite:///{tmp_path}/otp.db", "OTP_CLIENT_LIMITS": ""}
    command = [sys.executable, "-m", "gunicorn", "-c", str(ROOT / "deploy/gunicorn.conf.py")]
    command += ["-k", "tests.deploy.hasty.HastyWorker", "wsgi:app"]
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log)
    try:
        wait_until(lambda: status(port, "/healthz", timeout=0.3) == 200, "the server answers")
        yield port
    finally:
        server.terminate()
        server.wait(20)
    assert "Traceback" not in (tmp_path / "log").read_text()


def status(port: int, path: str, timeout: float) -> int | None:
    """The status of GET; None where there is no answer in time."""
    connection = HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


@pytest.mark.parametrize("beginning", ["head", "body"])
def test_unfinished_requests_end_by_themselves(port: int, beginning: str) -> None:
    """With 408, as soon as their time is over."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(SLOW[beginning])
        client.settimeout(10)
        assert client.recv(1000).startswith(b"HTTP/1.1 408 ")


def test_a_thousand_slow_clients_cost_no_thread(tmp_path: Path, fake_twilio: Provider) -> None:
    """More than 140 of each kind, from many addresses, wait at a server of 33 threads that has ten seconds for each."""
    descriptors.raise_limit()
    running = RunningServer(tmp_path, fake_twilio.url, OTP_THREADS="1")
    with running, contextlib.ExitStack() as stack:
        for number, sent in zip(range(1000), itertools.cycle(SLOW.values())):
            stack.enter_context(slow.connect(running.port, number)).sendall(sent)
        assert_served(running)


def assert_served(running: RunningServer) -> None:
    """Before any slow client's time is over, and not by the threads that /healthz has for itself alone."""
    for _ in range(3):
        assert status(running.port, "/nowhere", timeout=5) == 404
    assert running.post("/send-otp", {"phone_number": "+919812345678"}).status == 200


def test_whole_requests_are_served_however_they_arrive(port: int) -> None:
    """Byte by byte, several at once, in chunks, and with a body for which the server is asked first."""
    whole = HEAD + b"Content-Length: 2\r\n\r\n{}"
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        for i in range(len(whole)):
            client.sendall(whole[i : i + 1])
        client.sendall(whole + whole + HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
        client.sendall(HEAD + b"Connection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        answers = b""
        while not answers.endswith(b"100 Continue\r\n\r\n"):
            answers += client.recv(4096)
        client.sendall(b"{}")
        while more := client.recv(4096):
            answers += more
    assert answers.count(b"HTTP/1.1 100 Continue") == 1
    assert answers.count(b"Phone number is required") == answers.count(b"HTTP/1.1 400 ") == 5


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
