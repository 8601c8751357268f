"""`export` and `erase`: all that is stored of a number, and nothing afterwards."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from secrets import token_bytes
from typing import Any

import pytest

from otp_app.accounts import person as in_accounts
from otp_app.accounts.database import Database
from otp_app.accounts.statements import SIGN_UP
from otp_app.cli.all_of_number import NOT_USED, OTHER_HISTORY
from otp_app.cli.open_store import AS_SERVERS, NO_KEYS, OTHER_KEY
from otp_app.cli.person import STOPPED, UNREADABLE
from otp_app.core import outbox
from otp_app.core.codes import LedgerIds
from otp_app.core.instant import Instant
from otp_app.core.ledger import Ledger, Verification
from otp_app.core.ledger_json import encode
from otp_app.core.moving import Freeze, Item
from otp_app.core.outbox import Box, Waiting
from otp_app.history.database import Database as HistoryDatabase
from otp_app.history.database import open_database
from otp_app.history.rows import Numbers
from otp_app.history.schema import MARK
from otp_app.settings import Settings, keyring
from otp_app.stores import open_store
from tests.command import run
from tests.running import KEY, KEYS, RunningServer

PHONE, OTHER = "+14155552671", "+14155552672"
SHARED = {name.lower(): value for name, value in KEYS.items()}
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
    for variable, value in (KEYS if url != SQLITE else {}).items():
        monkeypatch.setenv(variable, value)
    return url


def fill(url: str, **more: Any) -> None:
    settings = Settings(otp_store_url=url, **({} if url == SQLITE else SHARED))
    keyring.ensure(settings)
    name = LedgerIds(keyring.keys(settings)[1], token_bytes).ledger
    with closing(open_store(url)) as store:
        whole: Any = store
        records = {PHONE: ledger(PHONE, ONE, **more), OTHER: ledger(OTHER, TWO)}
        whole.load([Item(name(phone), record, 3600.0) for phone, record in records.items()])
        for id_, to in ((ONE, "+1*******671"), (TWO, OTHER)):
            box = Box(to, "login", waiting=(Waiting(1, "verification.approved", 1_790_000_000.0),))
            store.swap(outbox.key_of(id_), None, outbox.encode(box), 3600.0)
        store.swap("m:1", None, json.dumps({"id": "NT1", "phone": PHONE, "variables": {"a": "b"}}).encode(), 3600.0)
    user = {"name": "Ann", "email": "", "is_verified": True, "created_at": 1}
    with closing(Database(ACCOUNTS)) as database, database.writing() as db:
        for phone in (PHONE, OTHER):
            db.execute(SIGN_UP, user | {"phone_number": phone})


def exported(capsys: Any, number: str = PHONE, *, lines: int = 0) -> Any:
    """`lines`: so many more than the places."""
    status, printed, error = run(capsys, "export", number, "--json")
    places = [line.partition(":")[0] for line in error.splitlines()]
    assert (status, places[: -lines or None]) == (0, ["Store", "History", "Accounts"])
    return json.loads(printed)


def test_all_that_is_stored_is_printed(capsys: Any, url: str) -> None:
    """Of this number alone, with what was noted of it, and without what a session is recognized by."""
    found = exported(capsys, "+1 (415) 555-2671")
    keys = {entry["kind"]: entry["key"] for entry in found["store"]}
    assert keys == {"events": f"e:{ONE}", "notification": "m:1", "number": keys["number"]}
    assert len(found["store"]) == 3
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
    assert exported(capsys) == {
        "number": PHONE, "store": [], "history": [], "account": None, "sources": result["sources"],
    }  # fmt: skip
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
    Path("accounts.db").rename("others.db")
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert run(capsys, "erase", PHONE).status == 130
    with closing(open_store(SQLITE)) as store:
        store.freeze(Freeze.MOVING)  # type: ignore[attr-defined]
    assert run(capsys, "erase", PHONE, "--yes").status == 1
    assert len(exported(capsys)["store"]) == 3
    assert not (folder / "none.db").exists()


def refused(capsys: Any, url: str, *more: str) -> list[str]:
    """The lines of `export` and `erase`, which print and change nothing."""
    with closing(open_store(url)) as store:
        before = sorted(store.scan())  # type: ignore[attr-defined]
    lines = set()
    for command in (("export", PHONE), ("erase", PHONE, "--yes", *more)):
        status, printed, error = run(capsys, *command)
        assert (status, printed) == (1, "")
        lines.add(error)
    with closing(open_store(url)) as store:
        assert [item[:2] for item in sorted(store.scan())] == [item[:2] for item in before]  # type: ignore[attr-defined]
    (found,) = lines
    return str(found).splitlines()


@pytest.mark.parametrize("url", ["redis", "postgres"], indirect=True)
def test_without_the_keys_of_a_shared_store_nothing_is_erased(
    capsys: Any, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of the history would not be found, and stay."""
    monkeypatch.delenv("OTP_INDEX_KEY")
    assert refused(capsys, url)[1:] == [f"{NO_KEYS}. {AS_SERVERS}"]


def test_with_other_keys_than_those_of_the_records_nothing_is_erased(
    capsys: Any, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with an old key file beside a store whose keys are in the settings of its servers."""
    monkeypatch.setenv("OTP_SECRET_KEYS", KEYS["OTP_SECRET_KEYS"])
    monkeypatch.setenv("OTP_INDEX_KEY", KEY)
    assert refused(capsys, url)[1:] == [f"{OTHER_KEY}. {AS_SERVERS}"]


def leave_mark(database: HistoryDatabase, key: bytes) -> None:
    """As a server with this key does."""
    with database.writing() as session:
        session.change(MARK, (Numbers(key).mark, 1.0))


def test_with_another_key_than_that_of_the_history_nothing_is_erased(
    capsys: Any, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store forgets within days which key it was used with; the history knows it as long as it has rows."""
    monkeypatch.setenv("OTP_HISTORY_URL", "sqlite:///rows.db")
    with closing(open_database("sqlite:///rows.db")) as database:
        leave_mark(database, b"other" * 7)
        assert refused(capsys, url)[2:] == [f"{OTHER_HISTORY}. {AS_SERVERS}"]
        own = keyring.keys(Settings(otp_store_url=url, **({} if url == SQLITE else SHARED)))[1]
        leave_mark(database, own)
    assert exported(capsys)["history"] == []


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_accounts_beside_the_store_are_not_forgotten(capsys: Any, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that runs without the settings of the servers would miss the user there."""
    monkeypatch.delenv("DATABASE_URL")
    beside = Path("accounts.db").absolute()
    lines = refused(capsys, url)
    assert lines[2] == f"Accounts: none at {beside.parent}/var/accounts.db (DATABASE_URL)"
    assert str(beside) in lines[3]


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_each_place_is_named(capsys: Any, url: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """With what is not there, and with files beside the store that no setting names."""
    monkeypatch.setenv("DATABASE_URL", "sqlite:///users.db")
    monkeypatch.setenv("OTP_HISTORY_URL", "sqlite:///rows.db")
    Path("accounts.db").rename("users.db")
    Path("otp-history.db").touch()
    _, printed, error = run(capsys, "export", PHONE)
    assert error.splitlines() == [
        "Store: sqlite:///otp.db",
        f"History: none at {folder}/rows.db (OTP_HISTORY_URL)",
        "Accounts: sqlite:///users.db",
        NOT_USED.format(file=folder / "otp-history.db"),
    ]
    sources = json.loads(printed)["sources"]
    assert sources["history"] == {"url": f"sqlite:///{folder}/rows.db", "exists": False}
    assert sources["accounts"] == {"url": f"sqlite:///{folder}/users.db", "exists": True}
    monkeypatch.setenv("OTP_HISTORY_URL", "off")
    result = json.loads(run(capsys, "erase", PHONE, "--yes", "--json").output)
    assert result["sources"]["history"] == {"url": None, "exists": False}
    assert result["left_to_do"] == [NOT_USED.format(file=folder / "otp-history.db")]


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_where_a_server_keeps_no_accounts_none_are_begun(
    capsys: Any, url: str, monkeypatch: pytest.MonkeyPatch, new_store: Any
) -> None:
    """A command that looks makes no tables."""
    accounts = new_store("postgres")
    Path("accounts.db").unlink()
    monkeypatch.setenv("DATABASE_URL", accounts)
    found = exported(capsys)
    assert (found["account"], found["sources"]["accounts"]["exists"]) == (None, False)
    with closing(Database(accounts)) as database:
        assert not database.has_tables()
        database.ping()
        assert database.has_tables()
    assert exported(capsys)["sources"]["accounts"]["exists"]


@pytest.mark.parametrize("value", [
    b'{"phone":"+14155552671","verifications":[{"id":"VE1"}]}', b'{"phone":"+14155552671","verif',
])  # fmt: skip
def test_a_record_that_cannot_be_read_goes_too(capsys: Any, url: str, value: bytes) -> None:
    """It may be damaged, or of a newer version; the number is in it."""
    with closing(open_store(url)) as store:
        store.swap("n:damaged", None, value, 3600.0)
    records = [entry["record"] for entry in exported(capsys, lines=1)["store"] if entry["key"] == "n:damaged"]
    assert "verif" in json.dumps(records)
    result = json.loads(run(capsys, "erase", PHONE, "--yes", "--json").output)
    assert (result["records"], UNREADABLE.format(count=1) in result["left_to_do"]) == (4, True)
    assert exported(capsys)["store"] == []


@pytest.mark.parametrize("field", ['"stopped":1.0', '"blocked":true'])
def test_a_record_that_cannot_be_read_may_say_stop(capsys: Any, monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    monkeypatch.setenv("OTP_STORE_URL", SQLITE)
    monkeypatch.setenv("DATABASE_URL", ACCOUNTS)
    fill(SQLITE)
    with closing(open_store(SQLITE)) as store:
        value = f'{{"phone":"{PHONE}",{field},"verifications":[{{"id":"VE1"}}]}}'
        store.swap("n:damaged", None, value.encode(), 3600.0)
    status, _, error = run(capsys, "erase", PHONE, "--yes")
    assert (status, error.splitlines()[3:]) == (1, [STOPPED])


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
