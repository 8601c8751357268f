"""What the tests of docs/recipes share: the server that a back end asks, the files of a page, and what a user does."""

from __future__ import annotations

import hashlib
import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.recipes.recipe import Recipe
from tests.running import RunningServer

KEY = "otp_0123abcd_recipes"
#: A customer's number and code, and those of somebody else.
NUMBER, CODE = "+14155552671", "735912"
STRANGER, THEIR_CODE = "+14155552672", "846023"

#: What each user does, for a `call(method, path, body) -> (status, answer)` that keeps cookies.
STORY = """
assert call("GET", "/me")[0] == 401
assert call("POST", "/login/check", {"code": "735912"})[0] == 400, "without a start"
status, answer = call("POST", "/login/start", {"phone": "123"})
assert status == 400 and "E.164" in answer["error"], answer
status, answer = call("POST", "/login/start", {"phone": "+1 (415) 555-2671"})
assert status == 200 and isinstance(answer["resend_in"], int), answer
assert call("POST", "/login/check", {"code": "000000"})[0] == 400, "a wrong code"
assert call("GET", "/me")[0] == 401
assert call("POST", "/login/check", {"code": "735912"}) == (200, {"phone": "+14155552671"}), "one user in any spelling"
assert call("GET", "/me") == (200, {"phone": "+14155552671"})
assert call("POST", "/login/check", {"code": "735912"})[0] == 400, "a code works once"
print("ok")
"""


def shop_server(folder: Path) -> RunningServer:
    """One that a back end reaches with its key. The codes are those of test numbers."""
    until = datetime.now(UTC).date() + timedelta(days=7)
    settings = {
        "OTP_API_KEYS": f"shop:send+verify:{hashlib.sha256(KEY.encode()).hexdigest()}", "OTP_CHECK_BY": "id",
        "OTP_TEST_NUMBERS": f"{NUMBER}={CODE}@{until},{STRANGER}={THEIR_CODE}@{until}",
        "OTP_RESEND_GAPS": "", "OTP_SENDS_PER_HOUR": "0", "OTP_SENDS_PER_DAY": "0",
    }  # fmt: skip
    return RunningServer(folder, "", **settings)


def written(folder: Path, *pages: str) -> None:
    """Create every file that these pages show."""
    for page in ("README", *pages):
        Recipe(f"recipes/{page}.md").follow(folder, pytest.fail)  # no page has lines for a shell


def ran(server: RunningServer, folder: Path, *command: str) -> str:
    """What a program says that logs in there."""
    environment = {"PATH": os.environ["PATH"], "OTP_URL": server.url, "OTP_API_KEY": KEY, "SECRET_KEY": "s" * 32}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout
