"""`stats`, and the history in `export` and `erase`."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from otp_app.core.endings import of_notification, of_verification
from otp_app.core.instant import Instant
from otp_app.core.ledger import Origin, Report, Send, Status, Verification
from otp_app.core.notification import Notification
from otp_app.history.database import open_database
from otp_app.history.rows import Numbers
from otp_app.history.writing import write
from otp_app.settings import Settings, keyring
from otp_app.stores import open_store
from tests.command import run

PHONE, OTHER = "+14155552671", "+447400123456"
HISTORY = "History: sqlite:///otp-history.db\n"
DAY = 86_400.0
BEGUN = 1_790_000_000.0  # 2026-09-21, in UTC
NOW = Instant(BEGUN + 10 * DAY, "", 0.0)


def verification(number: int, day: int, country: str, *, approved: bool, channel: str = "sms") -> Verification:
    begun = BEGUN + day * DAY
    send = Send(f"VL{number:032x}", channel, begun, "sent", receipts=(Report("delivered", begun + 4.0),))
    ended = {"status": Status.APPROVED, "ended_at": begun + 20.0} if approved else {}
    return Verification(
        f"VE{number:032x}", "login", "k1", 6, Instant(begun, "", 0.0), 300.0, sends=(send,), out=True,
        origin=Origin("native", "shop", country), **ended,
    )  # fmt: skip


@pytest.fixture
def history(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three verifications and a notification, of two numbers and days."""
    monkeypatch.setenv("OTP_STORE_URL", "sqlite:///otp.db")
    monkeypatch.setenv("DATABASE_URL", "sqlite:///none.db")
    settings = Settings(otp_store_url="sqlite:///otp.db")
    keyring.ensure(settings)
    run_of = [
        of_verification(PHONE, verification(1, 0, "US", approved=True), NOW, ()),
        of_verification(PHONE, verification(2, 1, "US", approved=False), NOW, ()),
        of_verification(OTHER, verification(3, 1, "GB", approved=True, channel="whatsapp"), NOW, ()),
        of_notification(Notification("NT" + "1" * 32, PHONE, "shipped", BEGUN, ended_at=BEGUN + 1.0), NOW, ()),
    ]
    with closing(open_database("sqlite:///otp-history.db")) as database:
        write(database, [ending for ending in run_of if ending], Numbers(keyring.keys(settings)[1]))


def counted(capsys: Any, *options: str) -> list[Any]:
    status, printed, error = run(capsys, "stats", "--since", "2026-09-01", "--json", *options)
    assert (status, error) == (0, HISTORY)
    return [json.loads(line) for line in printed.splitlines()]


def test_the_sums_of_days(capsys: Any, history: None) -> None:
    first, second = counted(capsys)
    assert (first["day"], first["total"], first["approved"], first["conversion"]) == ("2026-09-21", 1, 1, 1.0)
    assert (second["day"], second["total"], second["approved"], second["conversion"]) == ("2026-09-22", 2, 1, 0.5)
    assert (first["sent"], first["delivered"], first["seconds_to_delivery"], first["seconds_to_approval"]) == (
        1, 1, 4.0, 20.0
    )


@pytest.mark.parametrize(
    ("by", "totals"),
    [
        ("country", {"US": 2, "GB": 1}), ("channel", {"sms": 2, "whatsapp": 1}), ("error", {None: 3}),
        ("purpose", {"login": 3}), ("outcome", {"approved": 2, "expired": 1}), ("key", {"shop": 3}),
        ("api", {"native": 3}),
    ],
)
def test_the_sums_by_something(capsys: Any, history: None, by: str, totals: dict[str | None, int]) -> None:
    assert {line[by]: line["total"] for line in counted(capsys, "--by", by)} == totals


def test_notifications_are_counted_apart(capsys: Any, history: None) -> None:
    (line,) = counted(capsys, "--notifications", "--by", "purpose")
    assert (line["purpose"], line["total"], line["failed"]) == ("shipped", 1, 1)


def test_people_get_a_table(capsys: Any, history: None) -> None:
    _, printed, _ = run(capsys, "stats", "--since", "2026-09-22")
    assert printed.splitlines()[1].split() == [
        "2026-09-22", "2", "2", "2", "1", "50.0%", "0", "4.0", "s", "20.0", "s",
    ]


@pytest.mark.parametrize("since", ["2026-09-23", "24h"])
def test_without_rows_there_are_no_lines(capsys: Any, history: None, since: str) -> None:
    assert run(capsys, "stats", "--since", since, "--json") == (0, "", HISTORY)


def test_where_there_is_no_history_none_is_made(capsys: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTP_STORE_URL", "sqlite:///otp.db")
    assert run(capsys, "stats").status == 1
    monkeypatch.setenv("OTP_HISTORY_URL", "off")
    assert "OTP_HISTORY_URL" in run(capsys, "stats").error
    assert list(folder.iterdir()) == []


def test_the_rows_of_a_number_are_exported_and_erased(capsys: Any, history: None, folder: Path) -> None:
    """Its sums stay: they do not say whose they are."""
    with closing(open_store(f"sqlite:///{folder}/otp.db")) as store:
        store.ping()
    before = counted(capsys, "--by", "country")
    exported = json.loads(run(capsys, "export", PHONE, "--json").output)
    assert [row["id"][-1] for row in exported["history"]] == ["2", "1", "1"]
    assert exported["history"][0]["messages"][0]["delivery"] == "delivered"
    assert json.loads(run(capsys, "erase", PHONE, "--yes", "--json").output)["history"] == 3
    assert json.loads(run(capsys, "export", PHONE, "--json").output)["history"] == []
    assert len(json.loads(run(capsys, "export", OTHER, "--json").output)["history"]) == 1
    assert counted(capsys, "--by", "country") == before
    assert b"*671" not in (folder / "otp-history.db").read_bytes()


def test_without_the_key_nobody_is_told_that_nothing_is_stored(capsys: Any, history: None, folder: Path) -> None:
    """By it alone numbers are found."""
    with closing(open_store("sqlite:///otp.db")) as store:
        store.ping()
    (folder / "otp.keys").unlink()
    status, printed, error = run(capsys, "export", PHONE)
    assert (status, printed, "otp.keys" in error) == (1, "", True)
