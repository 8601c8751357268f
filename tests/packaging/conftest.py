"""The wheel, which is built once."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.conftest import absent, require
from tests.running import ROOT

Build = Callable[..., Path]


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Call it to get a wheel of script/build; `umask`: of who builds it."""
    require("git")
    if not (ROOT / ".git").exists():
        absent("the repository")

    def run(umask: int = -1) -> Path:
        into = tmp_path_factory.mktemp("dist")
        command = [ROOT / "script/build", into]
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, umask=umask, check=False)
        assert done.returncode == 0, done.stderr
        (wheel,) = into.iterdir()
        assert done.stdout.endswith(f"  {wheel.name}\n")
        return wheel

    return run


@pytest.fixture(scope="session")
def wheel(build: Build) -> Path:
    """One for all tests."""
    return build()


@pytest.fixture(scope="session")
def metadata(wheel: Path) -> str:
    """What pip reads of it."""
    with ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return archive.read(name).decode()
