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


def test_without_a_checkout_the_extra_has_a_name(monkeypatch, tmp_path):
    """A wheel brings no lock files. pip takes the installed one's extra, whatever an index has of that name."""
    monkeypatch.setattr(extras, "CHECKOUT", tmp_path)
    assert extras.install_command("psycopg_pool").endswith(" install 'otp-app[postgres]'")
    assert extras.install_command("opentelemetry.sdk").endswith(" install 'otp-app[otel]'")


def test_every_extra_has_its_lock():
    """Of each package in it; another package has no lock of ours."""
    wished = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for extra, wishes in wished.items():
        for wish in wishes:
            named = re.match(r"[a-z0-9_-]+", wish)[0].replace("-", "_")
            package = next(name for name in extras.EXTRAS if f"{named}_".startswith(f"{name}_"))
            assert extras.EXTRAS[package] == extra
            assert f"-r requirements-{extra}.txt" in extras.install_command(package)
            assert (ROOT / f"requirements-{extra}.txt").is_file()
    assert extras.install_command("other").endswith(" install other")
