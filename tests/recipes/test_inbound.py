"""docs/inbound.md: a reader sets it up beside the account of the README, and writes as Twilio would."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import require
from tests.provider import Provider
from tests.running import ROOT, RunningServer

pytestmark = pytest.mark.slow
PAGE = (ROOT / "docs/inbound.md").read_text(encoding="utf-8")
(INI,) = re.findall(r"```ini\n(.*?)```", PAGE, re.DOTALL)
ASK, WAIT, WRITE = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
(ANSWER,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)


def test_the_page(tmp_path: Path, fake_twilio: Provider) -> None:
    require("curl")
    require("openssl")
    server = RunningServer(tmp_path, fake_twilio.url)
    for name in re.findall(r"^ *(\w+)=", INI, re.MULTILINE):
        server.environment.pop(name, None)
    (tmp_path / ".env").write_text(re.sub("^ +", "", INI, flags=re.MULTILINE).replace("your-token", "faketoken1234567"))
    (tmp_path / ".env").chmod(0o600)

    def typed(line: str, **more: str) -> str:
        here = line.replace("127.0.0.1:5000", f"127.0.0.1:{server.port}").replace("your-token", "faketoken1234567")
        shell = {"PATH": os.environ["PATH"], "API_KEY": "none is configured"} | more
        ran = subprocess.run(["sh", "-c", here], env=shell, capture_output=True, text=True, check=True, timeout=60)
        return ran.stdout

    with server:
        begun = json.loads(typed(ASK.replace('-H "Authorization: Bearer $API_KEY" ', "")))
        shown = json.loads(ANSWER)
        assert begun["text"] == shown["text"].replace(shown["word"], begun["word"])
        assert begun["links"]["whatsapp"] == shown["links"]["whatsapp"].replace(shown["word"], begun["word"])
        assert begun.keys() == shown.keys()
        assert "Your phone number is confirmed." in typed(WRITE.replace(shown["word"], begun["word"]))
        line = WAIT.replace('-H "Authorization: Bearer $API_KEY" ', "").replace("?wait=20", "")
        report = json.loads(typed(line, VERIFICATION_ID=begun["verification_id"]))
    assert (report["status"], report["phone_number"]) == ("approved", "+14155552671")
    assert fake_twilio.messages == []
    log = server.log()
    assert [mark for mark in ("14155552671", begun["word"]) if mark in log] == []
