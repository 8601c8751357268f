"""docs/upgrade.md: what its commands name is there. Somebody has run them line by line."""

from __future__ import annotations

import re

from otp_app.cli import COMMANDS
from tests.running import ROOT

PAGE = (ROOT / "docs/upgrade.md").read_text(encoding="utf-8")
LINES = "\n".join(re.findall(r"^    .*$", PAGE, re.MULTILINE))


def test_the_files_are_there() -> None:
    """Lists of packages, and what is in deploy."""
    named = set(re.findall(r"requirements[\w-]*\.txt|deploy/[\w.-]+", PAGE))
    assert len(named) > 4
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_commands_are_there() -> None:
    """Of both names of the program."""
    called = set(re.findall(r"(?:-m otp_app|/otp-app) ([a-z]+)", LINES))
    assert called == {"backup", "serve"}
    assert called <= COMMANDS.keys()


def test_folders_are_those_of_the_service() -> None:
    """The unit's: where the code is, and its settings."""
    unit = (ROOT / "deploy/otp-app.service").read_text(encoding="utf-8")
    for folder in ("/opt/otp-app", "/etc/otp-app"):
        assert folder in LINES
        assert folder in unit
