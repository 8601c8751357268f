"""docs/delivery.md: a server on a desk, behind a tunnel whose agent is on the same machine."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.command import run
from tests.conftest import require
from tests.provider import Provider
from tests.running import ROOT, Answer, RunningServer, call
from tests.twilio import webhooks

PAGE = (ROOT / "docs/delivery.md").read_text(encoding="utf-8")
RECIPE = PAGE[PAGE.index("**With a tunnel**") : PAGE.index("**Shared keys.**")]
NAME, NUMBER = "YOUR-NAME.ngrok-free.app", "+14155552671"
FORM = "application/x-www-form-urlencoded"
#: what ngrok's agent adds to a request from elsewhere; it keeps Host
ADDED = {"Host": NAME, "X-Forwarded-For": "203.0.113.9", "X-Forwarded-Host": NAME, "X-Forwarded-Proto": "https"}


def settings() -> dict[str, str]:
    """The recipe's lines for `.env`, with the token of the stand-in."""
    (block,) = re.findall(r"```ini\n(.*?)```", RECIPE, re.DOTALL)
    lines = [line.strip().split("=", 1) for line in block.strip().splitlines()]
    return {name: value.replace("your-token", "faketoken1234567") for name, value in lines}


def new_key(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """A client's key and the value of the line for it, from the command that the recipe names."""
    (command,) = re.findall(r"-m otp_app (keys new \w+)", RECIPE)
    printed = run(capsys, *command.split()).output
    return re.findall(r"\botp_\w+[-\w]*", printed)[0], re.findall(r"OTP_API_KEYS=(\S+)", printed)[0]


def through(running: RunningServer, path: str, body: Any, **headers: str) -> Answer:
    """A request that somebody elsewhere posts to the tunnel's address."""
    return call(running.port, "POST", path, body, ADDED | headers)


def receipt(running: RunningServer, message: Any, status: str, token: str = "faketoken1234567") -> int:
    """The status of the answer to a receipt of Twilio's."""
    url, form = message.form["StatusCallback"], webhooks.status_form(message.api, status)
    signed = {"X-Twilio-Signature": webhooks.sign(token, url, form), "Content-Type": FORM}
    return through(running, url.removeprefix(f"https://{NAME}"), webhooks.urlencode(form).encode(), **signed).status


def test_with_keys_it_serves_clients_and_takes_receipts(
    capsys: pytest.CaptureFixture[str], server: Callable[..., RunningServer], fake_twilio: Provider
) -> None:
    """The recipe to its end, with the agent's part played here; a receipt that Twilio did not sign changes nothing."""
    fake_twilio.auto_deliver = False
    key, line = new_key(capsys)
    running = server(**settings() | {"OTP_API_KEYS": line})
    (curl,) = re.findall(r"^ *(curl .*)$", RECIPE, re.MULTILINE)
    curl = curl.replace(f"https://{NAME}", f"http://127.0.0.1:{running.port}")
    agent = " ".join(f'-H "{name}: {value}"' for name, value in ADDED.items())
    given = {"API_KEY": key, "PATH": os.environ["PATH"]}
    require("curl")
    said = subprocess.run(["sh", "-c", f"{curl} -s {agent}"], env=given, capture_output=True, check=True, timeout=60)
    verification_id = json.loads(said.stdout)["verification_id"]
    assert through(running, "/send-otp", {"phone_number": NUMBER}).status == 401
    (message,) = fake_twilio.messages
    assert [receipt(running, message, "sent", "forged"), receipt(running, message, "delivered")] == [403, 204]
    shown = call(running.port, "GET", f"/verifications/{verification_id}", None, ADDED | {"X-API-Key": key}).json
    assert [each["status"] for each in shown["sends"][0]["receipts"]] == ["delivered"]


def test_without_keys_it_takes_receipts_only(server: Callable[..., RunningServer], fake_twilio: Provider) -> None:
    fake_twilio.auto_deliver = False
    given = settings()
    running = server(**{name: given[name] for name in ("OTP_PUBLIC_URL", "TWILIO_AUTH_TOKEN")})
    assert running.post("/send-otp", {"phone_number": NUMBER}).status == 200
    (message,) = fake_twilio.messages
    assert receipt(running, message, "delivered") == 204
    assert through(running, "/send-otp", {"phone_number": NUMBER}).status == 403
