"""`python -m otp_app` in this process."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from otp_app.cli import main


class Ended(NamedTuple):
    """The exit status and what was printed."""

    status: int | str | None
    output: str
    error: str


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Ended:
    """Run a command to its end."""
    try:
        status = main(arguments)
    except SystemExit as end:
        status = end.code
    return Ended(status, *capsys.readouterr())
