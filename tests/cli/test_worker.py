"""`worker`: what it needs before it starts. Its work is tested in tests/bus."""

import os

import pytest

from otp_app.cli import worker
from otp_app.settings import keyring
from tests.command import run

FAR = {"OTP_AMQP_URL": "amqp://x", "OTP_STORE_URL": "redis://x/0"}
KEYS = dict(line.split("=", 1) for line in keyring.new_lines().splitlines())


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({}, "OTP_AMQP_URL: a worker needs it"),
        ({"OTP_AMQP_URL": "amqp://x", "OTP_STORE_URL": "memory://"}, "OTP_AMQP_URL: workers cannot share"),
        (FAR | KEYS, "OTP_CHANNELS: console shows codes on this worker's screen"),
    ],
)
def test_a_worker_that_cannot_work_says_so(environ, says, capsys, monkeypatch, tmp_path):
    """In one line, with the status that systemd does not restart."""
    monkeypatch.chdir(tmp_path)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    ended = run(capsys, "worker", "otp")
    assert (ended.status, ended.error.startswith(says), ended.error.count("\n")) == (os.EX_CONFIG, True, 1)


def test_a_misspelled_setting_is_shown(capsys, caplog, monkeypatch, tmp_path):
    """As by the servers: the environment may have it for another program."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OTP_AMQP_URL", "amqp://x")
    monkeypatch.setenv("OTP_COUNTRIS", "US")
    monkeypatch.setattr(worker, "_work", lambda *_: None)
    monkeypatch.setattr(worker, "set_up", lambda _: None)
    assert run(capsys, "worker", "otp").status == os.EX_OK
    assert "OTP_COUNTRIS: there is no such setting: did you mean OTP_COUNTRIES?" in caplog.messages
