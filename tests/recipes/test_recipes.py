"""The recipes of docs/, followed step by step: what they promise is there afterwards."""

from __future__ import annotations

import hashlib
import re
import shlex
from pathlib import Path

import pytest

from tests.recipes.recipe import Recipe, checkout, shell
from tests.running import ROOT, RunningServer

RECIPES = sorted(path.name for path in (ROOT / "docs").glob("adding-*.md"))
NUMBER = "+14155552671"


def serve(command: str, folder: Path) -> RunningServer:
    """The server that `NAME=VALUE … script/server` starts in a folder."""
    given = dict(word.split("=", 1) for word in shlex.split(command) if "=" in word)
    server = RunningServer(folder, "")
    kept = {name: server.environment[name] for name in ("PATH", "PYTHONDONTWRITEBYTECODE", "PORT")}
    server.environment = kept | {"PYTHONPATH": str(ROOT if not (folder / "otp_app").is_dir() else folder)} | given
    return server


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_has_eight_steps_at_most(name):
    """Somebody in a hurry reads it to its end."""
    assert 1 <= Recipe(name).steps <= 8


def test_the_channel_of_the_recipe_sends(tmp_path):
    """Without any change of the project: the message lies in the folder, and the answer names the channel."""
    commands: list[str] = []
    Recipe("adding-a-channel.md").follow(tmp_path, commands.append)
    prepare, start = commands
    shell(tmp_path)(prepare)
    with serve(start, tmp_path) as server:
        answer = server.post("/send-otp", {"phone_number": NUMBER}).json
        assert answer["channel"] == "modem"
        (message,) = (tmp_path / "var/spool/new").iterdir()
        code = re.findall(r"\b[0-9]{6}\b", message.read_text(encoding="utf-8").partition("\n\n")[2])[0]
        assert server.post("/verify-otp", {"phone_number": NUMBER, "otp": code}).json["success"] is True


def test_the_store_of_the_recipe_keeps_its_contract_and_serves(tmp_path):
    """It passes the suite of every store, and a code that was sent is still good after a restart of the server."""
    copy = checkout(tmp_path)
    run = shell(copy)
    commands: list[str] = []
    Recipe("adding-a-store.md").follow(copy, lambda line: commands.append(line) if "script/" in line else run(line))
    with serve(commands[0], copy) as server:
        sent = server.post("/send-otp", {"phone_number": NUMBER}).json
        server.stop()
        server.start()
        (code,) = re.findall("Your OTP is: ([0-9]{6})", server.log())
        answer = server.post("/verify-otp", {"verification_id": sent["verification_id"], "otp": code}).json
    assert answer["status"] == "approved"
    assert any((copy / "var/folder").glob("v-*"))


def test_the_setting_of_the_recipe_is_read_and_documented(tmp_path):
    """By one field: the server knows it, and both documents have it."""
    copy = checkout(tmp_path)
    run = shell(copy)
    Recipe("adding-a-setting.md").follow(copy, run)
    assert "\n#OTP_GREETING=\n" in (copy / ".env.example").read_text(encoding="utf-8")
    assert "| `OTP_GREETING` | not set | at most 40 characters | Text before each message. |" in (
        copy / "docs/settings.md"
    ).read_text(encoding="utf-8")
    assert "The settings are in order." in run("OTP_GREETING=Hello .venv/bin/python -m otp_app check")
    assert "OTP_GREETING: " in run(f"OTP_GREETING={'x' * 41} .venv/bin/python -m otp_app check 2>&1 || true")


def test_the_api_of_the_recipe_is_served_guarded_limited_and_documented(tmp_path):
    """By its folder and one line; everything else answers as before."""
    copy = checkout(tmp_path)
    commands: list[str] = []
    Recipe("adding-an-api.md").follow(copy, commands.append)
    start, test = commands
    shell(copy)(test)
    key = hashlib.sha256(b"otp_recipe").hexdigest()
    public = "OTP_PUBLIC=1 OTP_COUNTRIES=US OTP_CLIENT_LIMITS=2/hour OTP_CHANNELS=tests.web.site:RecordingChannel"
    with serve(start, copy) as server:
        answer = server.post("/echo", {"to": NUMBER})
        assert (answer.status, answer.json) == (200, {"to": "+1*******671"})
        assert server.post("/echo", {}).json == {"echo": "to must be a phone number, such as +14155552671"}
        assert server.post("/send-otp", {"phone_number": NUMBER}).json["error_type"] == "resend_too_soon"
        document = server.call("GET", "/openapi.json").json
        assert {"/echo", "/send-otp"} <= document["paths"].keys()
        assert "POST /echo" in shell(copy)(f"curl -s {server.url}/docs/plain | sed 's/<[^>]*>/ /g' | tr -s ' \\n' ' '")
    with serve(f"{public} OTP_API_KEYS=recipe:verify:{key} {start}", copy) as server:
        wrong = {"Authorization": "Bearer otp_recipe"}
        assert server.post("/echo", {"to": NUMBER}, wrong).status == 403
        statuses = [server.post("/echo", {"to": f"+1415555267{n}"}).status for n in (2, 3, 4)]
        assert statuses == [200, 200, 429]
