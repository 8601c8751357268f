"""A folder and an environment of its own for each command."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.configuration import VARIABLES


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Commands run in a folder of their own, with nothing set."""
    monkeypatch.chdir(tmp_path)
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    return tmp_path
