"""The function of docs/run.md that runs a command with the settings of the service."""

from __future__ import annotations

import re
import shlex
import subprocess
from itertools import pairwise
from pathlib import Path

from tests.running import ROOT

UNIT = (ROOT / "deploy/otp-app.service").read_text()
PAGE = (ROOT / "docs/run.md").read_text(encoding="utf-8")


def test_it_has_what_the_unit_has(tmp_path: Path) -> None:
    """The store, API keys, further settings, the folder of relative paths, and files for their owner alone."""
    (function,) = re.findall(r"^    otp\(\) \{$.*?^    \}$", PAGE, re.MULTILINE | re.DOTALL)
    asked = tmp_path / "systemd-run"
    asked.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    asked.chmod(0o755)
    script = f"PATH={shlex.quote(str(tmp_path))}:$PATH\n{function}\notp erase '+1 415' --yes"
    ran = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, check=True, timeout=60)
    arguments = ran.stdout.splitlines()
    places = re.findall(r"(?:OTP_STORE_URL|OTP_API_KEYS_FILE)=\S+", UNIT)
    lines = [f"Environment={place}" for place in places]
    lines += re.findall(r"^(?:EnvironmentFile|UMask)=.*$", UNIT, re.MULTILINE)
    assert len(lines) == 4
    assert {before for before, line in pairwise(arguments) if line in lines} == {"-p"}
    assert set(lines) < set(arguments)
    (folder,) = re.findall(r"^WorkingDirectory=(.*)$", UNIT, re.MULTILINE)
    assert f"--working-directory={folder}" in arguments
    (program,) = re.findall(r"^ExecStart=(\S+) -m otp_app serve$", UNIT, re.MULTILINE)
    assert arguments[-6:] == [program, "-m", "otp_app", "erase", "+1 415", "--yes"]
