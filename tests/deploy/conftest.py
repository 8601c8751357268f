"""What tests of the deployment files share."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.running import ROOT

Conf = Callable[..., dict[str, Any]]


def pytest_configure(config: pytest.Config) -> None:
    """Name our marker."""
    config.addinivalue_line("markers", "slow: installs packages, so it takes up to a minute (leave out: -m 'not slow')")


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Conf:
    """Call it with settings: everything that gunicorn.conf.py then defines."""
    monkeypatch.chdir(tmp_path)

    def run(**settings: str) -> dict[str, Any]:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        return runpy.run_path(str(ROOT / "deploy/gunicorn.conf.py"))

    return run
