"""The command that lines name is one that the reader can type."""

from __future__ import annotations

from pathlib import Path

import pytest

from otp_app.system.program import command
from tests.architecture.source import ROOT


def test_a_program_that_was_installed_has_a_name(tmp_path: Path) -> None:
    (tmp_path / "otp-app").touch()
    assert command(str(tmp_path / "python")) == "otp-app"


@pytest.mark.parametrize(("python", "typed"), [
    (".venv/bin/python", ".venv/bin/python -m otp_app"), ("usr/bin/python3", "python -m otp_app"),
])  # fmt: skip
def test_elsewhere_it_is_a_module(tmp_path: Path, python: str, typed: str) -> None:
    assert command(str(tmp_path / python)) == typed


def test_no_line_for_people_names_a_program_that_may_not_be_there() -> None:
    """It names COMMAND instead. What only documents print may name the program."""
    files = [path for kind in ("*.py", "*.html") for path in (ROOT / "otp_app").rglob(kind)]
    found = [f"{path.name}: {line.strip()}" for path in files for line in path.read_text(encoding="utf-8").splitlines()
             if "otp-app " in line and any(f"otp-app {name} " in line for name in NAMES)]  # fmt: skip
    assert found == []


NAMES = ("send", "doctor", "check", "keys", "numbers", "export", "erase", "stats", "verifications")
