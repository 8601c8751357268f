"""A page of docs/ and its reader: whatever is printed for a shell is typed into one, in its order and as it stands."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import site
import subprocess
import sys
import venv
from pathlib import Path
from typing import NamedTuple

from tests.recipes.recipe import BLOCK, checkout
from tests.running import ROOT, free_port, wait_until

#: A line that serves until it is stopped, and what it says once it does.
SERVES = re.compile(r"(script/server|-m otp_app (grpc|worker \w+)|-m tests\.twilio\.fake_twilio .*)$")
READY = re.compile(r"Listening at|gRPC with|receiving|fake Twilio at")
SHOWN = re.compile("Your OTP is: ([0-9]{6})")
TOKEN = re.compile(r"ses_[A-Za-z0-9_-]{43}")
GRPCURL = f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__).with_name("grpcurl.py")}" "$@"\n'
#: JavaScript needs packages of npm, which are not here.
LEFT_OUT = ("mermaid", "js")


class Printed(NamedTuple):
    """A line for a shell, or a program in Python, and the answer that stands below it."""

    kind: str
    text: str
    answer: str = ""


def printed(name: str) -> list[Printed]:
    """Everything on a page that a reader types. A block of another kind than those is a mistake in the page."""
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert re.findall(r"\n\n    \S.*", text) == [], "a line for a shell belongs into a block"
    found: list[Printed] = []
    for _, kind, block in BLOCK.findall(text):
        if kind == "json":
            found[-1] = found[-1]._replace(answer=block)
        elif kind == "console":
            parts = [part.partition("\n") for part in block.removeprefix("$ ").split("\n$ ")]
            found += [Printed("sh", line, answer) for line, _, answer in parts]
        elif kind == "sh":
            found += [Printed("sh", line) for line in block.splitlines()]
        else:
            assert kind in ("python", "ini", "mermaid", "js"), kind
            found.append(Printed(kind, block))
    return [one for one in found if one.kind not in LEFT_OUT]


def environment_of(copy: Path) -> None:
    """Give a copy of the project a .venv of its own that sees all packages of this one."""
    (copy / ".venv").unlink()
    venv.create(copy / ".venv", with_pip=False)
    (own,) = (copy / ".venv/lib").glob("python*/site-packages")
    (own / "all.pth").write_text("\n".join(site.getsitepackages()), encoding="utf-8")
    shutil.copy(copy / "requirements.txt", copy / ".venv")  # as script/server leaves it


class Reader:
    """Somebody at terminals in a checkout, with all packages, no network, and these variables."""

    def __init__(self, folder: Path, **more: str) -> None:
        self.copy = checkout(folder)
        environment_of(self.copy)
        self._programs = folder / "bin"
        self._programs.mkdir()
        (self._programs / "grpcurl").write_text(GRPCURL, encoding="utf-8")
        (self._programs / "grpcurl").chmod(0o755)
        self._ports = {f":{port}": f":{free_port()}" for port in (5000, 50051)}
        http, grpc = (port[1:] for port in self._ports.values())
        self.environment = {
            "PATH": f"{self.copy}/.venv/bin:{self._programs}:{os.environ['PATH']}", "PIP_NO_INDEX": "1",
            "PYTHONDONTWRITEBYTECODE": "1", "PORT": http, "OTP_GRPC_PORT": grpc,
        } | more  # fmt: skip
        self.terminals: list[tuple[Path, subprocess.Popen[bytes]]] = []

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        for _, process in self.terminals:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for _, process in self.terminals:
            process.wait(60)

    def codes(self) -> list[str]:
        """The codes that terminals have shown."""
        return SHOWN.findall("".join(log.read_text() for log, _ in self.terminals))

    def type(self, line: Printed) -> str:
        """Do what is printed and return what is said to it, with the place of a session token as the page has it."""
        here = re.sub(r":\d+", lambda port: self._ports.get(port[0], port[0]), line.text)
        if line.kind == "ini":
            with (self.copy / ".env").open("a", encoding="utf-8") as settings:
                settings.write(here)
            return ""
        if SERVES.search(line.text):
            self._serve(here)
            return ""
        said = self._run_client(here) if line.kind == "python" else self._run(here)
        if token := TOKEN.search(said):
            self.environment["SESSION_TOKEN"] = token[0]
        return TOKEN.sub("ses_TOKEN", said)

    def follow(self, lines: list[Printed]) -> None:
        """Type them all; what is answered is what the page says."""
        for line in lines:
            said = self.type(line)
            if line.answer:
                assert json.loads(said) == json.loads(line.answer), line.text

    def _run(self, line: str) -> str:
        if "123456" in line:
            line = line.replace("123456", self.codes()[-1])
        return self._ended(["sh", "-c", line])

    def _run_client(self, program: str) -> str:
        """A client that sends a code and asks for it."""
        (self.copy / "client.py").write_text(program, encoding="utf-8")
        before = len(self.codes())
        with subprocess.Popen(
            [".venv/bin/python", "client.py"], cwd=self.copy, env=self.environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as client:  # fmt: skip
            wait_until(lambda: len(self.codes()) > before or client.poll() is not None, "a code")
            said, fault = client.communicate(f"{self.codes()[-1]}\n", timeout=60)
        assert client.returncode == 0, fault
        return said

    def _ended(self, command: list[str]) -> str:
        done = subprocess.run(
            command, cwd=self.copy, env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout

    def _serve(self, line: str) -> None:
        log = self.copy.parent / f"terminal-{len(self.terminals)}"
        with log.open("wb") as screen:
            process = subprocess.Popen(
                ["sh", "-c", line], cwd=self.copy, env=self.environment, stdin=subprocess.DEVNULL, stdout=screen,
                stderr=screen, start_new_session=True,
            )  # fmt: skip
        self.terminals.append((log, process))
        wait_until(lambda: READY.search(log.read_text()) or process.poll() is not None, line)
        assert process.poll() is None, log.read_text()
