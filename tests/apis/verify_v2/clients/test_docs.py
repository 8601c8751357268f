"""The curl lines of docs/verify-v2.md, run as a reader would run them, against a server without other settings."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import require
from tests.running import ROOT, RunningServer
from tests.test_readme import BLOCK

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "verify-v2.md").read_text(encoding="utf-8")
BLOCKS = BLOCK.findall(PAGE)
LINES = [line for kind, text in BLOCKS if kind == "sh" for line in text.strip().splitlines()]
#: what each of them comes to
START, FETCH, CHECK, CANCEL, CREATE, CHANGE = 201, 200, 200, 200, 201, 200


def ran(line: str, server: RunningServer, home: Path) -> tuple[int, Any]:
    """The HTTP status and the answer of one line, pasted into a shell."""
    line = line.replace("http://127.0.0.1:5000", server.url)
    environment = {"PATH": server.environment["PATH"], "HOME": str(home)}
    (home / ".curlrc").write_text('silent\nwrite-out = "\\n%{http_code}"\n', encoding="ascii")
    done = subprocess.run(["sh", "-c", line], env=environment, capture_output=True, text=True, check=True, timeout=60)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body)


def test_the_curl_lines_work_in_their_order_twice(tmp_path):
    """The second time too, when there is a service that was made; the answer that is printed has the real fields."""
    require("curl")
    server = RunningServer(tmp_path, provider="")
    kept = {name: server.environment[name] for name in ("PATH", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PORT")}
    server.environment = kept | {"OTP_APIS": "native,verify_v2"}
    with server:
        for _ in range(2):
            answers = [ran(line, server, tmp_path) for line in LINES]
            assert [status for status, _ in answers] == [START, FETCH, CHECK, CANCEL, CREATE, CHANGE], answers
            started, fetched, checked, canceled, made, changed = (body for _, body in answers)
            assert fetched == started
            assert (checked["sid"], checked["status"], checked["valid"]) == (started["sid"], "pending", False)
            assert (canceled["sid"], canceled["status"]) == (started["sid"], "canceled")
            assert (made["friendly_name"], made["code_length"]) == ("Shop", 8)
            assert changed["custom_code_enabled"] is True
    printed = json.loads(next(text for kind, text in BLOCKS if kind == "json"))
    assert printed.keys() == started.keys()
    assert re.fullmatch("[0-9]{6}", server.log().rpartition("code is: ")[2][:6])
