"""`backup`: a copy that a server starts from."""

from __future__ import annotations

import json
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from otp_app.cli import backup
from otp_app.core.moving import Item
from otp_app.settings import keyring
from otp_app.stores import open_store
from tests.command import run
from tests.running import KEYS, RunningServer

URL = "sqlite:///var/otp.db"


@pytest.fixture
def store(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a database, its keys, and what lies beside them."""
    monkeypatch.setenv("OTP_STORE_URL", URL)
    with closing(open_store(URL)) as opened:
        opened.load([Item(f"k{n}", b"x" * 4000, 3600.0) for n in range(100)])  # type: ignore[attr-defined]
    (folder / "var/otp.keys").write_text(keyring.new_lines())
    with closing(sqlite3.connect(folder / "var/otp-history.db")) as db:
        db.execute("CREATE TABLE rows (id)")
    return folder / "var"


def content(url: str) -> int:
    with closing(open_store(url)) as opened:
        return len(list(opened.scan()))  # type: ignore[attr-defined]


def test_everything_that_belongs_together_is_copied(capsys: Any, store: Path, folder: Path) -> None:
    """For its owner alone, and with nothing else beside it; the database goes on as it did."""
    before = {path.name for path in store.iterdir()}
    status, printed, error = run(capsys, "backup", "copy.db", "--json")
    assert status == 0
    assert error.splitlines() == [
        f"Store: {URL}",
        "History: sqlite:///var/otp-history.db",
        f"Accounts: none at {folder}/var/accounts.db (DATABASE_URL)",
    ]
    assert json.loads(printed)["files"] == ["copy.db", "copy.keys", "copy-history.db"]
    copies = {path for path in folder.iterdir() if path.is_file()}
    assert {path.name for path in copies} == {"copy.db", "copy.keys", "copy-history.db"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in copies} == {0o600}
    assert content("sqlite:///copy.db") == 100
    assert (folder / "copy.keys").read_text() == (store / "otp.keys").read_text()
    assert {path.name for path in store.iterdir()} == before


@pytest.mark.parametrize("url", ["", "sqlite:///elsewhere/none.db"])
def test_accounts_beside_the_store_are_copied_whatever_the_settings_name(
    capsys: Any, store: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """A backup without them would lose all users, and the command may run without the settings of the servers."""
    if url:
        monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.chdir(store)
    monkeypatch.setenv("OTP_STORE_URL", "sqlite:///otp.db")
    with closing(sqlite3.connect("accounts.db")) as db:
        db.execute("CREATE TABLE accounts_users (id)")
    printed = json.loads(run(capsys, "backup", str(folder / "copy.db"), "--json").output)
    assert (folder / "copy-accounts.db").is_file()
    assert str(folder / "copy-accounts.db") in printed["files"]
    assert printed["sources"]["accounts"] == {"url": f"sqlite:///{store}/accounts.db", "exists": True}


@pytest.mark.parametrize("url", [URL, "sqlite:///var/../var/otp.db"])
def test_accounts_in_the_file_of_the_store_do_not_take_its_copy(
    capsys: Any, store: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """One copy has both, under the name that was asked for."""
    monkeypatch.setenv("DATABASE_URL", url)
    status, printed, _ = run(capsys, "backup", "copy.db", "--json")
    assert (status, json.loads(printed)["files"]) == (0, ["copy.db", "copy.keys", "copy-history.db"])
    assert content("sqlite:///copy.db") == 100


def test_keys_of_the_settings_are_not_forgotten(capsys: Any, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key file beside the store is not that of the servers then."""
    assert json.loads(run(capsys, "backup", "one.db", "--json").output)["left_to_do"] == []
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    assert json.loads(run(capsys, "backup", "two.db", "--json").output)["left_to_do"] == [backup.KEYS]


def test_what_a_server_keeps_is_named_and_not_copied(
    capsys: Any, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://otp:secret@127.0.0.1:1/users")
    monkeypatch.setenv("OTP_HISTORY_URL", "off")
    status, _, error = run(capsys, "backup", "copy.db")
    assert (status, error.splitlines()[1:]) == (0, [
        "History: none (OTP_HISTORY_URL)",
        "Accounts: postgresql://127.0.0.1:1/users",
        f"Not in this backup: postgresql://127.0.0.1:1/users. {backup.PG_DUMP}",
    ])  # fmt: skip


def test_a_copy_is_in_the_mode_that_servers_need(capsys: Any, store: Path, folder: Path) -> None:
    """They set it only in files that they make."""
    assert run(capsys, "backup", "copy.db").status == 0
    with closing(sqlite3.connect(folder / "copy.db")) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize("name", ["copy.db", "copy.keys", "copy-history.db"])
def test_no_file_is_replaced(capsys: Any, store: Path, folder: Path, name: str) -> None:
    (folder / name).write_text("mine")
    status, printed, error = run(capsys, "backup", "copy.db")
    assert (status, printed, error.splitlines()[3:]) == (
        1, "", [f"{name}: there is such a file already; name another one"],
    )  # fmt: skip
    assert [path.name for path in folder.iterdir() if path.is_file()] == [name]


def test_a_copy_that_fails_leaves_nothing(
    capsys: Any, store: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backup.os, "fsync", full)
    status, _, error = run(capsys, "backup", "copy.db")
    assert (status, error.splitlines()[3:]) == (1, ["copy.db: the file cannot be made (No space left on device)"])
    assert [path for path in folder.iterdir() if path.is_file()] == []
    assert run(capsys, "backup", "nowhere/copy.db").status == 1


@pytest.mark.parametrize(("url", "tool"), [
    ("redis://127.0.0.1:1/0", "redis-cli --rdb"), ("postgresql://x@127.0.0.1:1/x", "pg_dump"), ("memory://", "no file"),
])  # fmt: skip
def test_other_stores_have_their_own_tools(
    capsys: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, url: str, tool: str
) -> None:
    monkeypatch.setenv("OTP_STORE_URL", url)
    status, printed, error = run(capsys, "backup", "copy.db")
    assert (status, printed, tool in error, list(folder.iterdir())) == (1, "", True, [])


def test_a_server_starts_from_a_backup_that_was_made_beside_one(
    capsys: Any, monkeypatch: pytest.MonkeyPatch, server: Callable[..., RunningServer], fake_twilio: Any
) -> None:
    """With the code that was pending: as docs/run.md restores it."""
    running = server()
    assert running.post("/send-otp", {"phone_number": "+14155552671"}).status == 200
    code = fake_twilio.code("+14155552671")
    monkeypatch.setenv("OTP_STORE_URL", running.environment["OTP_STORE_URL"])
    assert run(capsys, "backup", str(running.folder / "backup.db")).status == 0
    running.stop()
    for name in ("otp.db", "otp.db-wal", "otp.db-shm", "otp.keys"):
        (running.folder / name).unlink(missing_ok=True)
    for end in (".db", ".keys"):
        (running.folder / f"backup{end}").rename(running.folder / f"otp{end}")
    running.start()
    assert running.post("/verify-otp", {"phone_number": "+14155552671", "otp": code}).status == 200
