"""docs/events.md: the receivers take what is signed, once, and nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from otp_app.background.webhooks.message import body, headers, message_id
from otp_app.background.webhooks.posting import Poster
from otp_app.core.outbox import Box, Waiting
from tests.conftest import require
from tests.running import ROOT, free_port, wait_until

pytestmark = pytest.mark.slow
OLD, NEW = sha256(b"old").digest(), sha256(b"new").digest()
BOX = Box("+91*******210", "login", {"order": "ü"})
EVENT = Waiting(1, "verification.created", 1_800_000_000.0)


@pytest.mark.parametrize("file", ["receiver.py", "receiver.mjs"])
def test_a_receiver_of_the_page(file: str, tmp_path: Path) -> None:
    page = (ROOT / "docs/events.md").read_text(encoding="utf-8")
    (source,) = re.findall(rf"Create `{file}`:\n\n```\w+\n(.*?)```", page, re.DOTALL)
    (tmp_path / file).write_text(source, encoding="utf-8")
    program, port = require("node") if file.endswith("mjs") else sys.executable, free_port()
    environment = {"PATH": os.environ["PATH"], "PORT": str(port), "WEBHOOK_SECRET": f"whsec_{b64encode(NEW).decode()}"}
    with (tmp_path / "log").open("wb") as log:
        receiver = subprocess.Popen([program, file], cwd=tmp_path, env=environment, stdout=log, stderr=log)
    try:
        with closing(Poster(f"http://127.0.0.1:{port}/")) as poster:
            _take(poster, tmp_path / "log")
    finally:
        receiver.kill()
        receiver.wait()


def _take(poster: Poster, log: Path) -> None:
    def post(secrets: Sequence[bytes], wall: float) -> bool:
        poster._quiet_until = 0.0
        content = body("VE1", BOX, EVENT, ())
        return poster.post(content, headers(secrets, message_id("VE1", EVENT), wall, content)).taken

    wait_until(lambda: post((NEW, OLD), time.time()), "the receiver's start")
    assert post((OLD, NEW), time.time())
    assert not post((OLD,), time.time())
    assert not post((NEW,), time.time() - 3600)
    wait_until(lambda: "verification.created VE1" in log.read_text(), "its work")
    assert log.read_text().count("verification.created") == 1
