"""What tests of the deployment files share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from otp_app.serving.configuration import configuration

Conf = Callable[..., dict[str, Any]]


def pytest_configure(config: pytest.Config) -> None:
    """Name our marker."""
    config.addinivalue_line("markers", "slow: installs packages, so it takes up to a minute (leave out: -m 'not slow')")


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Conf:
    """Call it with settings: gunicorn's configuration of these."""
    monkeypatch.chdir(tmp_path)

    def run(**settings: str) -> dict[str, Any]:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        return configuration()

    return run
