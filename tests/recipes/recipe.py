"""A recipe of docs/, followed to the letter.

A fenced block is a file after "Create `FILE`", and an edit after "In `FILE`, add above `LINE`": it goes in front of the
first line that begins so. Every `sh` block is a command.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

from tests.running import ROOT

BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
CREATE = re.compile(r"Create\s+`([^`]+)`[^`]*:\s*\Z")
INSERT = re.compile(r"[Ii]n\s+`([^`]+)`,\s+add\s+above\s+`([^`]+)`:\s*\Z")
LEFT_OUT = (".git", ".venv", "var", "*.pyc.*", ".*_cache")  # not what is compiled, but for what is being written


class Recipe:
    """A page of docs/ whose steps can be followed."""

    def __init__(self, name: str) -> None:
        self.text = (ROOT / "docs" / name).read_text(encoding="utf-8")

    @property
    def steps(self) -> int:
        """How many numbered steps it has."""
        return len(re.findall(r"^\d+\. ", self.text, re.MULTILINE))

    def follow(self, folder: Path, run: Callable[[str], object]) -> None:
        """Do everything that it says in a folder, in its order; `run` gets each command."""
        for found in BLOCK.finditer(self.text):
            said, block = self.text[: found.start()], dedent(found[3])
            if create := CREATE.search(said):
                file = folder / create[1]
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(block, encoding="utf-8")
            elif insert := INSERT.search(said):
                _insert(folder / insert[1], insert[2], found[3], len(found[1]))
            elif found[2] == "sh":
                for command in block.strip().splitlines():
                    run(command)


def _insert(file: Path, anchor: str, block: str, indent: int) -> None:
    """Put the block in front of the line, as far from the margin as the recipe shows it beyond its own list."""
    shown = "".join(line[indent:] if line.strip() else line for line in block.splitlines(keepends=True))
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    at = next(n for n, line in enumerate(lines) if line.strip().startswith(anchor))
    file.write_text("".join([*lines[:at], shown, *lines[at:]]), encoding="utf-8")


def checkout(folder: Path) -> Path:
    """A copy of the project that a recipe may change."""
    copy = folder / "otp_app"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
    (copy / ".venv").symlink_to((ROOT / ".venv").resolve())
    return copy


def shell(folder: Path) -> Callable[[str], str]:
    """What runs a command in a folder and returns its output; it fails where the command does."""

    def run(command: str) -> str:
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            ["sh", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    return run
