"""docs/accounts.md: its lines run in their order, with the answers that stand below them."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import require
from tests.running import ROOT, RunningServer

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = BLOCK.findall((ROOT / "docs" / "accounts.md").read_text(encoding="utf-8"))
CODE = "735912"


@pytest.fixture
def server(tmp_path):
    """The code of its one user is known, so no message has to be read."""
    until = datetime.now(UTC).date() + timedelta(days=7)
    settings = {"OTP_APIS": "native,connect", "OTP_TEST_NUMBERS": f"+14155552671={CODE}@{until}"}
    with RunningServer(tmp_path, "", **settings) as server:
        yield server


def test_the_lines_of_the_page(server, tmp_path):
    """curl's, then the client in Python."""
    require("curl")
    lines, token = [text.strip() for kind, text in BLOCKS if kind == "sh"], ""
    answers = [json.loads(text) for kind, text in BLOCKS if kind == "json"]
    assert len(lines) == 6
    for line, expected in zip(lines, answers, strict=True):
        line = line.replace("127.0.0.1:5000", f"127.0.0.1:{server.port}").replace("123456", CODE)
        shell = {"SESSION_TOKEN": token, "PATH": server.environment["PATH"]}
        said = subprocess.run(["sh", "-c", line], env=shell, capture_output=True, check=True, timeout=30).stdout
        token = json.loads(said).get("session_token", token)
        assert json.loads(re.sub(r"ses_[A-Za-z0-9_-]{43}", "ses_TOKEN", said.decode())) == expected
    (program,) = [text for kind, text in BLOCKS if kind == "python"]
    (tmp_path / "client.py").write_text(program.replace("127.0.0.1:5000", f"127.0.0.1:{server.port}"), encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "client.py"], cwd=tmp_path, env=server.environment, input=CODE, capture_output=True, text=True
    )
    assert "+14155552671" in run.stdout, run.stderr
