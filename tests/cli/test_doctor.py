"""`doctor`, as people and programs read it."""

import json
from pathlib import Path

import pytest

from tests.command import run


def test_a_new_installation_has_no_fault(capsys: pytest.CaptureFixture[str]) -> None:
    ended = run(capsys, "doctor")
    assert (ended.status, "Faults: 0." in ended.error) == (0, True)
    assert ended.output.startswith("advice       Settings: none is set, in the environment or in .env of this folder")


def test_a_fault_ends_with_status_1_and_says_what_mends_it(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    (folder / ".env").write_text("OTP_TTL=x\n", encoding="ascii")
    ended = run(capsys, "doctor")
    assert ended.status == 1
    assert ended.output.startswith("FAULT        OTP_TTL: ")
    assert "Faults: 1." in ended.error


def test_programs_get_an_object_a_line(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    (folder / ".env").write_text("OTP_TTL=60\n", encoding="ascii")
    objects = [json.loads(line) for line in run(capsys, "doctor", "--json").output.splitlines()]
    assert {"about": "Settings", "state": "ok", "why": "they can be used", "remedy": ""} in objects


def test_nothing_is_made(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    run(capsys, "doctor")
    assert list(folder.iterdir()) == []
