"""`worker`: what it needs before it starts. Its work is tested in tests/bus."""

import os

import pytest

from otp_app.cli import starting, worker
from otp_app.settings import keyring
from tests.command import run

FAR = {"OTP_AMQP_URL": "amqp://x", "OTP_STORE_URL": "redis://127.0.0.1:1/0"}
KEYS = dict(line.split("=", 1) for line in keyring.new_lines().splitlines())


@pytest.mark.parametrize(
    ("kind", "environ", "says", "status"),
    [
        ("otp", {}, "OTP_AMQP_URL: a worker needs it", os.EX_CONFIG),
        ("otp", FAR | {"OTP_STORE_URL": "memory://"}, "OTP_AMQP_URL: workers cannot share", os.EX_CONFIG),
        ("otp", FAR | KEYS, "OTP_CHANNELS: console shows codes on this worker's screen", os.EX_CONFIG),
        ("auth", FAR | KEYS, "OTP_STORE_URL: ", os.EX_TEMPFAIL),
    ],
)
def test_a_worker_that_cannot_work_says_so(kind, environ, says, status, capsys, monkeypatch, tmp_path):
    """In one line, with the status by which systemd starts it again or does not."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(starting, "set_up", lambda *_: None)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    ended = run(capsys, "worker", kind)
    assert (ended.status, ended.error.startswith(says), ended.error.count("\n")) == (status, True, 1)


def test_a_misspelled_setting_is_shown(capsys, caplog, monkeypatch, tmp_path):
    """As by the servers: the environment may have it for another program."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OTP_AMQP_URL", "amqp://x")
    monkeypatch.setenv("OTP_COUNTRIS", "US")
    monkeypatch.setattr(worker, "_work", lambda *_: None)
    monkeypatch.setattr(starting, "set_up", lambda *_: None)
    assert run(capsys, "worker", "otp").status == os.EX_OK
    assert "OTP_COUNTRIS: there is no such setting: did you mean OTP_COUNTRIES?" in caplog.messages
