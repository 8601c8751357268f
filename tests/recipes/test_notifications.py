"""docs/notifications.md: a reader in a fresh checkout sends a notification and looks at its timeline, line by line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from otp_app.apis.notifications.template_file import read
from tests.conftest import require
from tests.recipes.recipe import BLOCK
from tests.running import ROOT, RunningServer, wait_until
from tests.test_readme import ran

pytestmark = pytest.mark.slow
PAGE = (ROOT / "docs/notifications.md").read_text(encoding="utf-8")
BLOCKS = [(kind, re.sub("^   ", "", text, flags=re.MULTILINE).strip()) for _, kind, text in BLOCK.findall(PAGE)]


def test_the_page_s_lines_work_as_printed(tmp_path: Path) -> None:
    """Its first template file, its curl lines, and each answer with the same fields."""
    require("curl")
    first, *_, whole = (text for kind, text in BLOCKS if kind == "toml")
    (tmp_path / "templates.toml").write_text(first, encoding="utf-8")
    server = RunningServer(tmp_path, provider="", OTP_CHANNELS="console", OTP_TEMPLATES_FILE="templates.toml")
    lines = [text for kind, text in BLOCKS if kind == "sh" and text.startswith("curl")]
    answers = [json.loads(text) for kind, text in BLOCKS if kind == "json"]
    with server:
        sent = answers[0]["id"]
        for line, printed in zip(lines, answers, strict=True):
            typed = line.replace(":5000", f":{server.port}").replace(answers[0]["id"], sent)
            wait_until(lambda: "on its way" in server.log() or "-d" in typed, "the message")  # noqa: B023
            answer = json.loads(ran(["sh", "-c", typed], tmp_path))
            assert shape(answer) == shape(printed)
            sent = answer.get("id", sent)
    (tmp_path / "whole.toml").write_text(whole, encoding="utf-8")
    assert read(str(tmp_path / "whole.toml")).by_name["order_shipped"].variables == ("number",)


def shape(answer: object) -> object:
    """An answer without what differs each time: ids and times."""
    text = re.sub(r'"(NT|VL|console-)[0-9a-f]+"', '"ID"', json.dumps(answer))
    return json.loads(re.sub(r'"[-0-9]{10}T[0-9:]{8}Z"', '"TIME"', text))
