"""A pretended machine: a copy of script/, a PATH with a few real tools, and stand-ins for those that install things.

Each stand-in writes its call to a journal. Environments are real, but without packages.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import require
from tests.running import ROOT

TOOLS = ("sh", "cat", "chmod", "cmp", "cp", "dirname", "grep", "ln", "mkdir", "readlink", "rm", "sleep", "tail")

#: Makes an environment as `python -m venv` does on Debian without python3-venv: it fails, and leaves one without pip.
PYTHON = """
case "$*" in
"-m venv .venv") {real} -m venv --without-pip .venv; exit {ensurepip} ;;
"-m pip --version") exit {pip} ;;
"-m pip --python "*) exit 0 ;;
*import*ensurepip*) exit {ensurepip} ;;
*) exec {real} "$@" ;;
esac
"""
UV = """
case "$1" in
venv) {real} -m venv --without-pip .venv ;;
pip) sleep 0.2; if [ -s fail ]; then cat fail; exit 2; fi ;;
esac
"""
#: Stands for gunicorn, ruff, mypy and pytest, which .venv would have.
MODULE = """
import pathlib, shlex, sys
with open("journal", "a") as journal:
    print({name!r}, shlex.join(sys.argv[1:]), file=journal)
sys.exit(pathlib.Path("fail-{name}").exists())
"""


class Machine:
    """A folder with the scripts in `root`, and nothing on its PATH but `bin`."""

    def __init__(self, folder: Path) -> None:
        self.root, self.bin = folder / "a checkout", folder / "bin"
        self.bin.mkdir()
        shutil.copytree(ROOT / "script", self.root / "script")
        shutil.copytree(ROOT / ".ci", self.root / ".ci")
        for name in ("requirements.txt", "requirements-dev.txt"):
            (self.root / name).write_text("# nothing\n")
        for name in ("gunicorn", "ruff", "mypy", "pytest"):
            (self.root / f"{name}.py").write_text(MODULE.format(name=name))
        for tool in TOOLS:
            self.link(tool)

    def link(self, tool: str) -> None:
        """Have a real tool."""
        (self.bin / tool).symlink_to(require(tool))

    def stand_in(self, name: str, body: str) -> None:
        """Have a script of this name that writes its calls to the journal."""
        file = self.bin / name
        file.write_text(f'#!/bin/sh\necho {name} "$@" >>{str(self.root / "journal")!r}\n{body}')
        file.chmod(0o755)

    def python(self, name: str = "python3", *, ensurepip: bool = False, pip: bool = False) -> None:
        """Have a Python of the running version, with or without pip."""
        body = PYTHON.format(real=sys.executable, ensurepip=int(not ensurepip), pip=int(not pip))
        self.stand_in(name, body)

    def uv(self) -> None:
        """Have uv."""
        self.stand_in("uv", UV.format(real=sys.executable))

    def begin(self, script: str, *arguments: str, user: int | None = None) -> subprocess.Popen[str]:
        """Start a script, from another folder; as another user, if one is given."""
        return subprocess.Popen([self.root / script, *arguments], cwd="/", env={"PATH": str(self.bin)}, user=user,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run(self, script: str, *arguments: str, user: int | None = None) -> tuple[int, list[str]]:
        """Run a script to its end: its exit status and the lines that it said."""
        process = self.begin(script, *arguments, user=user)
        said, _ = process.communicate(timeout=60)
        return process.returncode, said.splitlines()

    def journal(self, *names: str) -> list[str]:
        """The calls so far of those that install or run something; with names, of those only."""
        file = self.root / "journal"
        lines = file.read_text().splitlines() if file.exists() else []
        return [line.rstrip() for line in lines if not names or line.split()[0] in names]
