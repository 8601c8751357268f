"""How this program is started, for lines that name a command to type."""

from __future__ import annotations

import sys
from pathlib import Path


def command(executable: str = sys.executable) -> str:
    """Return what begins a command: a program that was installed has a name, a checkout has Python's."""
    python = Path(executable)
    if python.with_name("otp-app").exists():
        return "otp-app"
    is_checkout = python.parts[-3:-1] == (".venv", "bin")
    return ".venv/bin/python -m otp_app" if is_checkout else "python -m otp_app"


COMMAND = command()
