"""`export` and `erase`: all that is stored of a number, and nothing afterwards."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from otp_app.accounts import person as in_accounts
from otp_app.accounts.database import Database
from otp_app.accounts.statements import SIGN_UP
from otp_app.core import outbox
from otp_app.core.instant import Instant
from otp_app.core.ledger import Ledger, Verification
from otp_app.core.ledger_json import encode
from otp_app.core.moving import Freeze, Item
from otp_app.core.outbox import Box, Waiting
from otp_app.stores import open_store
from tests.command import run
from tests.running import RunningServer

PHONE, OTHER = "+14155552671", "+14155552672"
SQLITE, ACCOUNTS = "sqlite:///otp.db", "sqlite:///accounts.db"
ONE, TWO = f"VE{1:032x}", f"VE{2:032x}"


def ledger(phone: str, id_: str, **more: Any) -> bytes:
    verification = Verification(id_, "login", "k1", 6, Instant(1_790_000_000.0, "", 0.0), 300.0, tags={"order": "A-1"})
    return encode(Ledger(phone, (verification,), **more))


@pytest.fixture(params=["sqlite", "redis", "postgres"])
def url(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store with two numbers, and accounts with both."""
    kind = request.param
    url = SQLITE if kind == "sqlite" else request.getfixturevalue("new_store")(kind)
    fill(url)
    monkeypatch.setenv("OTP_STORE_URL", url)
    monkeypatch.setenv("DATABASE_URL", ACCOUNTS)
    return url


def fill(url: str, **more: Any) -> None:
    with closing(open_store(url)) as store:
        whole: Any = store
        whole.load([Item("n:1", ledger(PHONE, ONE, **more), 3600.0), Item("n:2", ledger(OTHER, TWO), 3600.0)])
        for id_, to in ((ONE, "+1*******671"), (TWO, OTHER)):
            box = Box(to, "login", waiting=(Waiting(1, "verification.approved", 1_790_000_000.0),))
            store.swap(outbox.key_of(id_), None, outbox.encode(box), 3600.0)
        store.swap("m:1", None, json.dumps({"id": "NT1", "phone": PHONE, "variables": {"a": "b"}}).encode(), 3600.0)
    user = {"name": "Ann", "email": "", "is_verified": True, "created_at": 1}
    with closing(Database(ACCOUNTS)) as database, database.writing() as db:
        for phone in (PHONE, OTHER):
            db.execute(SIGN_UP, user | {"phone_number": phone})


def exported(capsys: Any, number: str = PHONE) -> Any:
    status, printed, error = run(capsys, "export", number, "--json")
    assert (status, error.count("\n")) == (0, 1)
    return json.loads(printed)


def test_all_that_is_stored_is_printed(capsys: Any, url: str) -> None:
    """Of this number alone, with what was noted of it, and without what a session is recognized by."""
    found = exported(capsys, "+1 (415) 555-2671")
    assert sorted((entry["kind"], entry["key"]) for entry in found["store"]) == [
        ("events", f"e:{ONE}"), ("notification", "m:1"), ("number", "n:1"),
    ]  # fmt: skip
    assert "A-1" in json.dumps(found)
    assert OTHER not in json.dumps(found)
    assert (found["number"], found["account"]["name"], found["account"]["sessions"]) == (PHONE, "Ann", [])


def test_what_was_erased_is_gone(capsys: Any, url: str, folder: Path) -> None:
    """No byte of it is in any file of SQLite, logs included; the other number has all that it had."""
    before = exported(capsys, OTHER)
    status, printed, _ = run(capsys, "erase", PHONE, "--yes", "--json")
    result = json.loads(printed)
    assert (status, result["records"], result["account"]) == (0, 3, True)
    assert bool(result["left_to_do"]) == (url != SQLITE)
    assert exported(capsys) == {"number": PHONE, "store": [], "history": [], "account": None}
    assert exported(capsys, OTHER) == before
    assert [path.name for path in folder.iterdir() if PHONE[1:].encode() in path.read_bytes()] == []
    assert run(capsys, "erase", PHONE, "--yes").output.startswith("Records erased: 0. Rows of the history: 0. ")


def test_a_number_that_wants_no_notifications_keeps_that(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgotten, it would get them again: whoever erases it has to say so."""
    monkeypatch.setenv("OTP_STORE_URL", SQLITE)
    monkeypatch.setenv("DATABASE_URL", ACCOUNTS)
    fill(SQLITE, stopped=1_790_000_000.0)
    status, _, error = run(capsys, "erase", PHONE, "--yes")
    assert (status, "--forget-stop" in error, len(exported(capsys)["store"])) == (1, True, 3)
    assert run(capsys, "erase", PHONE, "--yes", "--forget-stop").status == 0
    assert exported(capsys)["store"] == []


def test_nothing_is_erased_unasked(capsys: Any, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Nor from a store that is being moved; what is not there is not made."""
    monkeypatch.setenv("OTP_STORE_URL", SQLITE)
    monkeypatch.setenv("DATABASE_URL", "sqlite:///none.db")
    fill(SQLITE)
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert run(capsys, "erase", PHONE).status == 130
    with closing(open_store(SQLITE)) as store:
        store.freeze(Freeze.MOVING)  # type: ignore[attr-defined]
    assert run(capsys, "erase", PHONE, "--yes").status == 1
    assert len(exported(capsys)["store"]) == 3
    assert not (folder / "none.db").exists()


def test_a_number_is_erased_beside_a_server(
    capsys: Any, monkeypatch: pytest.MonkeyPatch, server: Callable[..., RunningServer], fake_twilio: Any
) -> None:
    """Its pending code is no good any more, and the server goes on."""
    running = server()
    assert running.post("/send-otp", {"phone_number": PHONE}).status == 200
    code = fake_twilio.code(PHONE)
    monkeypatch.setenv("OTP_STORE_URL", running.environment["OTP_STORE_URL"])
    assert json.loads(run(capsys, "erase", PHONE, "--yes", "--json").output)["records"] == 1
    files = [path for path in running.folder.glob("otp*") if PHONE[1:].encode() in path.read_bytes()]
    assert files == []
    assert running.post("/verify-otp", {"phone_number": PHONE, "otp": code}).status == 400
    assert running.post("/send-otp", {"phone_number": PHONE}).status == 200


def test_sessions_and_activity_go_with_their_user(folder: Path) -> None:
    with closing(Database(ACCOUNTS)) as database, database.writing() as db:
        row = {"phone_number": PHONE, "name": "", "email": "", "is_verified": True, "created_at": 1}
        user_id = db.execute(SIGN_UP, row).scalar()
        db.exec_driver_sql(f"INSERT INTO accounts_sessions VALUES ('s1', 'hash', {user_id}, 1, 2)")
        db.exec_driver_sql(f"INSERT INTO accounts_activity (user_id, event, at) VALUES ({user_id}, 'login', 3)")
    found: Any = in_accounts.stored(ACCOUNTS, PHONE)
    assert found["sessions"] == [{"id": "s1", "created_at": 1, "expires_at": 2}]
    assert found["activity"] == [{"event": "login", "at": 3}]
    assert (in_accounts.erase(ACCOUNTS, PHONE), in_accounts.erase(ACCOUNTS, PHONE)) == (True, False)
    with closing(Database(ACCOUNTS)) as database, database.reading() as db:
        assert db.exec_driver_sql("SELECT count(*) FROM accounts_sessions").scalar() == 0
