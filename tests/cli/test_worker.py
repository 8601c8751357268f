"""`worker`: what it needs before it starts. Its work is tested in tests/bus."""

import os

import pytest

from tests.command import run


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({}, "OTP_AMQP_URL: a worker needs it"),
        ({"OTP_AMQP_URL": "amqp://x", "OTP_STORE_URL": "memory://"}, "OTP_AMQP_URL: workers cannot share"),
    ],
)
def test_a_worker_that_has_no_broker_says_so(environ, says, capsys, monkeypatch, tmp_path):
    """In one line, with the status that systemd does not restart."""
    monkeypatch.chdir(tmp_path)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    ended = run(capsys, "worker", "otp")
    assert (ended.status, ended.error.startswith(says), ended.error.count("\n")) == (os.EX_CONFIG, True, 1)
