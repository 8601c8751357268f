"""`events dead`: what the receiver never took."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from otp_app.cli import main
from otp_app.core import outbox
from otp_app.core.outbox import Box, Waiting
from otp_app.stores import open_store

ONE = "VE" + "1" * 32


@pytest.fixture(autouse=True)
def _dead_ones(folder: Path) -> None:
    events = tuple(Waiting(number, "message.sent", 1_800_000_000.0 + number) for number in (1, 2, 3))
    box = outbox.with_dead(Box("+1*******671", "login", waiting=events), events[:2])
    (folder / ".env").write_text("OTP_STORE_URL=sqlite:///otp.db\n")
    store = open_store("sqlite:///otp.db")
    store.swap(outbox.key_of(ONE), None, outbox.encode(box), 3600)
    store.close()


def test_dead_events_are_listed_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["events", "dead"]) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [
        f"2027-01-15T08:00:0{number}.000Z  {ONE}-{number}  message.sent  +1*******671  login" for number in (1, 2)
    ]
    assert shown.err == "Store: sqlite:///otp.db\nDead: 2. Waiting: 1.\n"


def test_dead_events_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["events", "dead", "--json"]) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert first["webhook_id"] == f"{ONE}-1"
    assert first["type"] == "message.sent"
