"""The README: its first lines run on a server without any settings, its client snippets on one with an API key."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import require
from tests.running import ROOT, RunningServer, wait_until

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL = ("sh", "console", "bash", "shell")


README = (ROOT / "README.md").read_text(encoding="utf-8")
PARTS = {part.partition("\n")[0]: part for part in README.split("\n## ")}
SNIPPETS = dict(BLOCK.findall(PARTS["Clients"]))
API_KEY, CODE = "otp_0123abcd_readme", "735912"
#: how each client is run, once its block is a file
COMMANDS = {
    "python": [sys.executable, "client.py"],
    "js": ["node", "client.mjs"],
    "php": ["php", "client.php"],
}


def examples() -> list[tuple[str, dict[str, Any]]]:
    """Each curl line to try first, and the answer that stands below it."""
    blocks = BLOCK.findall(PARTS["Try it in a minute"])
    lines = [text.strip() for kind, text in blocks if kind in SHELL]
    return list(zip(lines, [json.loads(text) for kind, text in blocks if kind == "json"], strict=True))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    """A first start: nothing set but the port, nothing on the disk."""
    server = RunningServer(tmp_path, provider="")
    kept = {name: server.environment[name] for name in ("PATH", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PORT")}
    server.environment = kept
    with server:
        yield server


@pytest.fixture(scope="module")
def keyed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that a client reaches with an API key and checks by id only. Its code is that of a test number."""
    until = datetime.now(UTC).date() + timedelta(days=7)
    settings = {
        "OTP_API_KEYS": f"readme:send+verify:{hashlib.sha256(API_KEY.encode()).hexdigest()}",
        "OTP_TEST_NUMBERS": f"+14155552671={CODE}@{until}",
        "OTP_CHECK_BY": "id",
    }
    with RunningServer(tmp_path_factory.mktemp("keyed"), "", **settings) as server:
        yield server


def last_code(server: RunningServer) -> str:
    """The code that the server's screen shows."""
    wait_until(lambda: "Your OTP is: " in server.log(), "a code on the screen")
    return re.findall("Your OTP is: ([0-9]{6})", server.log())[-1]


def comparable(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer with its id and its seconds replaced by their types."""
    varies = ("verification_id", "expires_in", "resend_in")
    return {name: type(value) if name in varies else value for name, value in answer.items()}


def ran(command: list[str], folder: Path, typed: str = "") -> str:
    """What a reader's command prints, after typing a code."""
    environment = {"PATH": os.environ["PATH"], "API_KEY": API_KEY}
    done = subprocess.run(
        command, cwd=folder, env=environment, input=typed, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def test_the_readme_is_short():
    """A reader finishes it."""
    assert len(README.splitlines()) < 120


def test_the_order_is_the_reader_s():
    """First a code on the screen, then WhatsApp, then what must be safe before anything is deployed."""
    headings = re.findall("^## (.*)$", README, re.MULTILINE)
    assert [heading.split()[0] for heading in headings] == [
        "Try", "Real", "Security:", "Deploy", "Clients", "Notifications", "Other", "More",
    ]  # fmt: skip


def test_there_are_lines_for_send_and_check():
    """The reader sees the whole of it."""
    paths = [re.search(r"127\.0\.0\.1:5000(/\S*)", line) for line, _ in examples()]
    assert [path and path[1] for path in paths] == ["/send-otp", "/verify-otp"]


def test_the_lines_work_as_printed(server, tmp_path):
    """Pasted one after the other, with the code from the server's screen where it says 123456."""
    require("curl")
    for line, printed in examples():
        code = last_code(server) if "123456" in line else ""
        line = line.replace("127.0.0.1:5000", f"127.0.0.1:{server.port}").replace("123456", code)
        answer = json.loads(ran(["sh", "-c", line], tmp_path))
        assert comparable(answer) == comparable(printed)
        assert list(answer) == list(printed)


def test_the_recipe_of_notifications_works(server, tmp_path):
    """The template, the curl line as printed, and what became of the message."""
    require("curl")
    blocks = dict(BLOCK.findall(PARTS["Notifications"]))
    (tmp_path / "templates.toml").write_text(blocks["toml"], encoding="utf-8")
    server.stop()
    server.environment["OTP_TEMPLATES_FILE"] = re.search(r"OTP_TEMPLATES_FILE=(\S+) script/server", README)[1]
    server.start()
    send, look = (line.replace(":5000", f":{server.port}") for line in blocks["sh"].splitlines())
    sent = json.loads(ran(["sh", "-c", send], tmp_path))
    wait_until(lambda: "Your order A-1042 is on its way." in server.log(), "the message on the screen")
    look = look.replace("NT…", sent["id"])
    wait_until(lambda: json.loads(ran(["sh", "-c", look], tmp_path))["status"] == "sent", "its timeline")


def test_the_curl_client_works(keyed_server, tmp_path):
    """The id of the send goes into the check."""
    require("curl")
    send, check = (line.replace(":5000", f":{keyed_server.port}") for line in SNIPPETS["sh"].splitlines())
    sent = json.loads(ran(["sh", "-c", send], tmp_path))
    check = check.replace("VERIFICATION_ID", sent["verification_id"]).replace("123456", CODE)
    assert json.loads(ran(["sh", "-c", check], tmp_path))["status"] == "approved"


@pytest.mark.parametrize(("typed", "printed"), [(CODE, "true"), ("000000", "false")])
@pytest.mark.parametrize("language", COMMANDS)
def test_the_client_snippets_work(keyed_server, tmp_path, language, typed, printed):
    """Each sends a code and says whether the one that is typed is right."""
    program, file = COMMANDS[language]
    require(program)
    (tmp_path / file).write_text(SNIPPETS[language].replace(":5000", f":{keyed_server.port}"), encoding="utf-8")
    assert ran([program, file], tmp_path, f"{typed}\n").lower().endswith((printed, f"{printed}\n"))


def test_every_snippet_is_run():
    """A language that is added is run too."""
    assert SNIPPETS.keys() == {"sh", *COMMANDS}
