"""`serve`: what this process becomes."""

import os
import sys

import pytest

from tests.command import run
from tests.running import ROOT

SERVING = ["-m", "otp_app.serving"]


@pytest.fixture
def became(monkeypatch):
    """The program and the arguments of each process that this one would have become."""
    found = []
    monkeypatch.setattr(os, "execv", lambda *command: found.append(command))
    return found


def test_it_becomes_the_server_with_gunicorn_s_options(capsys, became):
    """Whatever lies in the folder, Python and the package are those of the command."""
    assert run(capsys, "serve", "-w", "2", "--log-level=debug").status == 0
    assert became == [(sys.executable, [sys.executable, "-P", *SERVING, "-w", "2", "--log-level=debug"])]


def test_in_a_checkout_the_package_is_the_one_that_lies_there(capsys, became, monkeypatch):
    """It is not installed."""
    monkeypatch.chdir(ROOT)
    run(capsys, "serve")
    assert became == [(sys.executable, [sys.executable, *SERVING])]
