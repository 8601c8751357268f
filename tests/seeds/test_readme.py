"""The README's own lines, run as a reader would run them, against a server without any settings."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import require
from tests.running import ROOT, RunningServer, wait_until

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL = ("sh", "console", "bash", "shell")


def examples() -> list[tuple[str, dict[str, Any] | None]]:
    """Each curl line of the README, and the answer that stands below it, if one does."""
    blocks = BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    found = []
    for (kind, text), (next_kind, below) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
        line = text.strip().removeprefix("$ ")
        if kind in SHELL and line.startswith("curl"):
            found.append((line, json.loads(below) if next_kind == "json" else None))
    return found


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    """A first start: nothing set but the port, nothing on the disk."""
    server = RunningServer(tmp_path, provider="")
    kept = {name: server.environment[name] for name in ("PATH", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PORT")}
    server.environment = kept
    with server:
        yield server


def last_code(server: RunningServer) -> str:
    """The code that the server's screen shows."""
    wait_until(lambda: "Your OTP is: " in server.log(), "a code on the screen")
    return re.findall("Your OTP is: ([0-9]{6})", server.log())[-1]


def comparable(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer with its id and its seconds replaced by their types."""
    varies = ("verification_id", "expires_in", "resend_in")
    return {name: type(value) if name in varies else value for name, value in answer.items()}


def test_there_are_lines_for_the_three_verbs():
    """Send, verify, resend: the reader sees the whole of it."""
    paths = [re.search(r"127\.0\.0\.1:5000(/\S*)", line) for line, _ in examples()]
    assert [path and path[1] for path in paths] == ["/send-otp", "/verify-otp", "/resend-otp"]
    assert all(answer for _, answer in examples())


def test_the_lines_work_as_printed(server):
    """Pasted one after the other, with the code from the server's screen where it says 123456."""
    require("curl")
    for line, printed in examples():
        code = last_code(server) if "123456" in line else ""
        line = line.replace("127.0.0.1:5000", f"127.0.0.1:{server.port}").replace("123456", code)
        ran = subprocess.run(
            ["sh", "-c", line], env={"PATH": os.environ["PATH"]}, capture_output=True, check=True, timeout=20
        )
        assert comparable(json.loads(ran.stdout)) == comparable(printed)
        assert list(json.loads(ran.stdout)) == list(printed)
