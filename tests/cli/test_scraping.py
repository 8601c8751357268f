"""OTP_METRICS_PORT: metrics of the commands that serve no HTTP, in processes of their own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from otp_app.cli import starting
from tests.apis.grpc.running import RunningGrpc
from tests.command import run
from tests.monitoring.metrics.reading import scraped, value
from tests.running import ROOT, free_port

GRPC_ALONE = {"PYTHONPATH": str(ROOT), "OTP_STORE_URL": "memory://"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(starting, "set_up", lambda *_: None)


def test_a_port_in_use_may_become_free(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status 75, by which systemd starts it again."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setenv("OTP_METRICS_PORT", str(other.getsockname()[1]))
        ended = run(capsys, "grpc")
    assert ended.status == os.EX_TEMPFAIL
    assert "OTP_METRICS_HOST, OTP_METRICS_PORT: cannot listen there: Address already in use\n" in ended.error


def test_beyond_loopback_it_needs_keys(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTP_METRICS_PORT", str(free_port()))
    monkeypatch.setenv("OTP_METRICS_HOST", "0.0.0.0")
    ended = run(capsys, "grpc")
    assert (ended.status, ended.error.partition(":")[0]) == (os.EX_CONFIG, "OTP_METRICS_HOST")


@pytest.mark.slow
def test_the_grpc_server_shows_its_calls(tmp_path: Path) -> None:
    """And what waits in its store, and its messages, as the HTTP server does."""
    port = free_port()
    with RunningGrpc(tmp_path, **GRPC_ALONE, OTP_METRICS_PORT=str(port)) as server:
        assert f"metrics http://127.0.0.1:{port}/metrics" in server.log()
        with server.client() as client:
            assert client.send("+14155552671").success
            assert not client.verify("+14155552671", "x").success
        found = scraped(port)
        assert value(found, "otp_grpc_calls_total", method="SendOTP", code="OK") == 1
        assert value(found, "otp_messages_total", channel="console", outcome="sent") == 1
        assert value(found, "otp_rejections_total", api="grpc", error_type="invalid_input") == 1
        assert value(found, "otp_store_call_duration_seconds_count", call="swap") > 0
        assert value(found, "otp_build_info") == 1
        assert time.time() - value(found, "otp_start_time_seconds") < 600
        assert ("otp_jobs_waiting", frozenset()) in found
        server.term()
        assert server.wait() == 0


LOADED = """
import sys
from otp_app import startup
from otp_app.cli import apis, scraping, starting, worker
from otp_app.workers import auth, otp
settings = starting.prepared(startup.load(command="grpc"))
measured = bool(settings.otp_metrics_port)
with apis.closing(apis.build(settings, measured=measured)) as services:
    with scraping.scraped(settings, services.meter, services.store):
        print(sorted({"flask", "http.server", "otp_app.monitoring.metrics", "otp_app.web.scraping"} & set(sys.modules)))
"""


@pytest.mark.slow
@pytest.mark.parametrize("is_on", [False, True])
def test_nothing_is_loaded_of_it_where_it_is_off_and_flask_never(tmp_path: Path, is_on: bool) -> None:
    given = {"OTP_METRICS_PORT": str(free_port())} if is_on else {}
    ended = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, cwd=tmp_path,
                           env=GRPC_ALONE | given)  # fmt: skip
    loaded = ["http.server", "otp_app.monitoring.metrics", "otp_app.web.scraping"] if is_on else []
    assert ended.stdout == f"{loaded}\n"
