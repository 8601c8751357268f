"""The command that installs what a set-up needs beside the default packages."""

import re
import sys
import tomllib

import pytest

from otp_app.plugins import extras
from tests.running import ROOT


@pytest.mark.parametrize(("pip", "command"), [(object(), f"{sys.executable} -m pip"), (None, "uv pip")])
def test_the_command_fits_the_environment(monkeypatch, pip, command):
    """uv makes environments without pip."""
    monkeypatch.setattr(extras, "find_spec", lambda name: pip)
    assert extras.install_command("redis").startswith(f"{command} install ")
    assert sys.executable in extras.install_command("redis")


def test_every_extra_has_its_lock():
    """Of each package in it; another package has no lock of ours."""
    wished = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for extra, wishes in wished.items():
        for wish in wishes:
            package = re.match(r"[a-z0-9_]+", wish)[0]
            assert extras.LOCK_FILES[package] == f"requirements-{extra}.txt"
            assert (ROOT / extras.LOCK_FILES[package]).is_file()
    assert extras.install_command("other").endswith(" install other")
