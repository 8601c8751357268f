"""The wheel of script/build: all of the package, under its version, and the same bytes each time."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest

from otp_app.version import __version__
from tests.packaging.conftest import Build
from tests.running import ROOT

pytestmark = pytest.mark.slow

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_it_has_every_file_of_the_package(wheel: Path) -> None:
    """Templates, statements and documents too, which Python itself would not miss before somebody asks."""
    git = ["git", "ls-files", "otp_app"]
    tracked = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    with ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == set(tracked)


def test_the_same_files_give_the_same_bytes(build: Build, wheel: Path) -> None:
    """Whoever builds it, and whenever."""
    again = build(umask=0o077)
    assert (again.name, again.read_bytes()) == (wheel.name, wheel.read_bytes())


def test_it_has_the_version_of_the_package(wheel: Path, metadata: str) -> None:
    """In its name and in its metadata."""
    assert wheel.name == f"otp_app-{__version__}-py3-none-any.whl"
    assert re.findall("^Version: (.*)$", metadata, re.MULTILINE) == [__version__]


def test_it_has_every_extra_by_name(metadata: str) -> None:
    """`pip install 'otp_app-….whl[redis]'`."""
    extras = re.findall("^Provides-Extra: (.*)$", metadata, re.MULTILINE)
    assert sorted(extras) == sorted(PROJECT["optional-dependencies"])
