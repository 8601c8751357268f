"""A reload reads the templates again, and one with a fault changes nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.phones import fresh_numbers
from tests.running import RunningServer, wait_until

pytestmark = pytest.mark.slow


def test_a_reload_reads_the_templates_again(server: Callable[..., RunningServer], tmp_path: Path) -> None:
    file, numbers = tmp_path / "templates.toml", fresh_numbers()
    file.write_text('[one]\nsms = "One"\n', encoding="ascii")
    running = server(OTP_TEMPLATES_FILE=str(file))

    def status(template: str) -> int:
        return running.post("/notifications", {"phone_number": next(numbers), "template": template}).status

    assert (status("one"), status("two")) == (202, 400)
    file.write_text('[two]\nsms = "Two"\n', encoding="ascii")
    running.hup()
    assert (status("one"), status("two")) == (400, 202)
    file.write_text('[three]\nsms = "{"\n', encoding="ascii")
    os.kill(running.pid, signal.SIGHUP)
    wait_until(lambda: "OTP_TEMPLATES_FILE: line 2: three.sms has a brace" in running.log(), "the fault")
    assert (status("three"), status("two")) == (400, 202)
    running.kill_worker()
    wait_until(running.healthy, "another worker, which does not read the file")
    assert (status("three"), status("two")) == (400, 202)
