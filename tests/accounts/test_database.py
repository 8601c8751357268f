"""The database of accounts: its tables, and what happens while it does not work."""

import os
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from otp_app.accounts import service
from otp_app.accounts.database import CONNECTIONS, Database
from otp_app.accounts.errors import AccountsUnavailable
from otp_app.accounts.migrating import FOLDER
from otp_app.accounts.sqlite import File
from otp_app.accounts.statements import VERIFY
from otp_app.accounts.tables import NEWEST, VERSIONS, metadata
from tests.accounts.conftest import REQUEST
from tests.faults.load import at_once
from tests.faults.proxy import Proxy
from tests.running import ROOT

# ---- tables


def test_the_migrations_make_the_tables(bureau):
    """Those of tables.py, to the index."""
    with bureau.database.reading() as db:
        context = MigrationContext.configure(db, opts={"version_table": VERSIONS})
        found = [change for change in compare_metadata(context, metadata) if "otp_" not in str(change)]
    assert found == []
    assert ScriptDirectory(str(FOLDER)).get_heads() == [NEWEST]


def test_servers_that_start_at_once_make_the_tables_once(database_url):
    """The others wait."""
    databases = [Database(database_url) for _ in range(4)]
    at_once(4, lambda number: databases[number].ping())
    for database in databases:
        database.close()


def test_a_file_that_another_start_makes_just_now_is_not_gone(tmp_path, monkeypatch):
    """Even where the other one has made it, with its log, between two looks at it."""
    path = tmp_path / "accounts.db"
    look = Path.exists

    def looked_too_early(asked: Path) -> bool:
        answer = look(asked)
        if asked == path and not answer:
            monkeypatch.setattr(Path, "exists", look)
            File(path).make()
            path.with_name("accounts.db-wal").touch()
        return answer

    monkeypatch.setattr(Path, "exists", looked_too_early)
    File(path).make()
    assert path.is_file()


def test_tables_that_are_gone_are_made_again(postgres_server, open_bureau):
    """As where the database was made anew while the server ran."""
    bureau = open_bureau(postgres_server.new_url())
    bureau.database.ping()
    with bureau.database.writing() as db:
        db.exec_driver_sql(f"DROP TABLE accounts_users, accounts_sessions, accounts_activity, {VERSIONS}")
    fails(bureau, bureau.signed_up)
    bureau.site.clock.advance(400)
    assert bureau.signed_up()


def test_tables_of_a_newer_server_are_left_alone(bureau, open_bureau):
    """The accounts are unavailable, and nothing is changed."""
    bureau.database.ping()
    with bureau.database.writing() as db:
        db.exec_driver_sql(f"UPDATE {VERSIONS} SET version_num = '9999'")
    with pytest.raises(AccountsUnavailable, match="newer version"):
        open_bureau(bureau.url).database.ping()
    assert bureau.rows(f"SELECT * FROM {VERSIONS}") == [("9999",)]


def test_nobody_else_may_read_the_file(tmp_path):
    """It has the numbers of all users."""
    with closing(Database(f"sqlite:///{tmp_path}/new/accounts.db")) as database:
        database.ping()
        modes = {path.stat().st_mode & 0o077 for path in [tmp_path / "new", *(tmp_path / "new").iterdir()]}
    assert modes == {0}


@pytest.mark.parametrize(
    "url",
    [
        "", "sqlite://", "sqlite:///", "mysql://host/db", "postgresql://u:pa/ss@host/db",
        "sqlite://var/accounts.db", "sqlite:///var/accounts.db?mode=ro", "sqlite:///var/", "sqlite:///var/..",
    ],
)  # fmt: skip
def test_a_url_that_is_none_is_a_fault(url):
    """In one line, without the password."""
    with pytest.raises(ValueError, match="write") as raised:
        Database(url)
    assert "pa/ss" not in str(raised.value)


# ---- faults


def fails(bureau, act):
    """Return how long it took to say so."""
    begun = time.monotonic()
    with pytest.raises(AccountsUnavailable) as raised:
        act()
    assert raised.value.retry_after
    return time.monotonic() - begun


@pytest.mark.parametrize("statement", ["BEGIN_SESSION", "NOTE"])
def test_a_fault_in_the_middle_leaves_nothing_half_done(bureau, monkeypatch, statement):
    """User, session and activity are one change."""
    number = bureau.number()
    bureau.accounts.sign_up(number, REQUEST)
    before = bureau.rows("SELECT * FROM accounts_activity")
    with monkeypatch.context() as broken:
        broken.setattr(service.sql, statement, text("SELECT no_such_column"))
        fails(bureau, lambda: bureau.accounts.verify(number, bureau.code()))
    assert not bureau.accounts.is_registered(number)
    assert bureau.rows("SELECT * FROM accounts_sessions") == []
    assert bureau.rows("SELECT * FROM accounts_activity") == before


def test_a_sign_up_that_cannot_be_kept_sends_nothing(bureau, monkeypatch):
    """Nobody gets a code that could not be used."""
    monkeypatch.setattr(service.sql, "SIGN_UP", text("SELECT no_such_column"))
    fails(bureau, lambda: bureau.accounts.sign_up(bureau.number(), REQUEST))
    assert bureau.site.channel.messages == []


def test_a_change_gets_its_turn_though_another_process_hardly_leaves_the_file(tmp_path):
    """As one does that makes changes all the time on a slow disk."""
    database, held, end = Database(f"sqlite:///{tmp_path}/accounts.db"), threading.Event(), threading.Event()
    database.ping()

    def change():
        with closing(sqlite3.connect(tmp_path / "accounts.db", isolation_level=None)) as other:
            while not end.is_set():
                other.execute("BEGIN IMMEDIATE")
                held.set()
                time.sleep(0.095)
                other.execute("COMMIT")
                time.sleep(0.005)

    thread = threading.Thread(target=change)
    thread.start()
    held.wait()
    begun = time.monotonic()
    try:
        database.ping()
    finally:
        end.set()
        thread.join()
        database.close()
    assert time.monotonic() - begun < 1


def test_a_lock_of_another_process_spends_no_code(tmp_path, open_bureau):
    """The database is asked before the code is used up."""
    bureau = open_bureau(f"sqlite:///{tmp_path}/accounts.db")
    number = bureau.number()
    bureau.accounts.sign_up(number, REQUEST)
    with bureau.database.writing():
        fails(bureau, lambda: bureau.accounts.verify(number, bureau.code()))
    assert bureau.accounts.verify(number, bureau.code())


@pytest.mark.parametrize("harm", ["a folder", "no database"])
def test_a_file_that_cannot_be_used_is_a_fault(tmp_path, open_bureau, harm):
    """And nothing else is lost."""
    file = tmp_path / "accounts.db"
    file.mkdir() if harm == "a folder" else file.write_bytes(b"no database, " * 100)
    bureau = open_bureau(f"sqlite:///{file}")
    fails(bureau, lambda: bureau.accounts.is_registered(bureau.number()))


def test_a_file_that_was_put_in_the_place_of_another_is_used(tmp_path, open_bureau):
    """What users do after a backup came back is not lost with the file that was there before."""
    bureau = open_bureau(f"sqlite:///{tmp_path}/accounts.db")
    number, _ = bureau.signed_up()
    with closing(sqlite3.connect(tmp_path / "accounts.db")) as db, closing(sqlite3.connect(tmp_path / "old.db")) as old:
        db.backup(old)
    later, _ = bureau.signed_up()
    (tmp_path / "old.db").rename(tmp_path / "accounts.db")
    assert [bureau.accounts.is_registered(known) for known in (number, later)] == [True, False]
    latest, _ = bureau.signed_up()
    with closing(sqlite3.connect(tmp_path / "accounts.db")) as db:
        assert (latest,) in db.execute("SELECT phone_number FROM accounts_users").fetchall()


def test_a_file_that_is_gone_is_not_made_anew(tmp_path, open_bureau):
    """Not by a process that has used it, nor beside its log; and all is well again once it is back."""
    bureau = open_bureau(f"sqlite:///{tmp_path}/accounts.db")
    number, _ = bureau.signed_up()
    (tmp_path / "accounts.db").rename(tmp_path / "away.db")
    for again in (bureau, bureau, open_bureau(bureau.url)):
        fails(again, lambda again=again: again.accounts.is_registered(number))
    assert not (tmp_path / "accounts.db").exists()
    (tmp_path / "away.db").rename(tmp_path / "accounts.db")
    assert bureau.accounts.is_registered(number)


def test_postgres_that_hangs_or_is_away_is_a_fault_within_seconds(postgres_server, open_bureau):
    """No code is spent, and with its first answer all is well again."""
    with Proxy(postgres_server.port) as proxy:
        bureau = open_bureau(postgres_server.new_url().replace(str(postgres_server.port), str(proxy.port)))
        number = bureau.number()
        bureau.accounts.sign_up(number, REQUEST)
        proxy.delay = 30
        assert fails(bureau, lambda: bureau.accounts.verify(number, bureau.code())) < 5
        assert fails(bureau, lambda: bureau.accounts.verify(number, bureau.code())) < 5
        proxy.delay = 0
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                assert bureau.accounts.verify(number, bureau.code())
                return
            except AccountsUnavailable:
                threading.Event().wait(0.1)
        pytest.fail("not well again")


def test_callers_do_not_wait_in_turn_for_a_database_that_hangs_as_it_is_opened(tmp_path, monkeypatch):
    """Each would wait for the time-outs of all before it."""
    monkeypatch.setattr("otp_app.accounts.database.OPENING_TIMEOUT", 0.1)
    with closing(Database(f"sqlite:///{tmp_path}/accounts.db")) as opened, opened._opening:
        for said in ("TimeoutError", "just now"):
            with pytest.raises(AccountsUnavailable, match=said):
                opened.ping()


def held_by_a_crowd(bureau) -> list[str]:
    """What each of so many callers is told that some have to wait for more than half a second."""

    def hold(_: int) -> str:
        try:
            with bureau.database.reading():
                threading.Event().wait(0.1)
        except AccountsUnavailable as error:
            return str(error)
        return ""

    bureau.database.ping()
    return at_once(8 * CONNECTIONS, hold)


def test_a_crowd_turns_nobody_else_away(bureau, monkeypatch):
    """Who waits too long for a connection is told so: the database works, and whoever comes next is served."""
    monkeypatch.setattr(bureau.database._engine.pool, "_timeout", 0.5)
    said = held_by_a_crowd(bureau)
    assert said.count("") > CONNECTIONS
    assert {text for text in said if text} == {"The database of accounts is not available (too many wait for it)"}
    assert not bureau.accounts.is_registered(bureau.number())


def test_a_crowd_at_a_file_is_served_in_turn(open_bureau, tmp_path):
    """Changes of a file are made one after the other, so each one has time for those before it."""
    assert set(held_by_a_crowd(open_bureau(f"sqlite:///{tmp_path}/accounts.db"))) == {""}


def test_postgres_where_somebody_has_locked_a_row_serves_all_others(postgres_server, open_bureau):
    """A session of the operator's own that looks at one user, or a server that hangs."""
    bureau = open_bureau(postgres_server.new_url())
    (locked, _), (other, _) = bureau.signed_up(), bureau.signed_up()
    with psycopg.connect(bureau.url) as operator:
        operator.execute("SELECT 1 FROM accounts_users WHERE phone_number = %s FOR UPDATE", (locked,))
        with pytest.raises(AccountsUnavailable, match="QueryCanceled"), bureau.database.writing() as db:
            db.execute(VERIFY, {"phone": locked})
        assert bureau.accounts.is_registered(other)


def test_postgres_that_restarted_is_noticed_before_a_connection_is_used(postgres_server, open_bureau):
    """Connections that were cut are replaced."""
    bureau = open_bureau(postgres_server.new_url())
    bureau.database.ping()
    with bureau.database.reading() as db:
        db.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    for _ in range(12):
        bureau.database.ping()


def test_postgres_that_was_read_only_is_used_again(postgres_server, open_bureau):
    """Sessions that began meanwhile stay read-only: they are replaced."""
    bureau = open_bureau(postgres_server.new_url())
    _, token = bureau.signed_up()
    name = bureau.url.rpartition("/")[2]
    with postgres_server.client() as db:
        db.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        bureau.database._engine.dispose()
        session = bureau.accounts.session(token)
        fails(bureau, lambda: bureau.accounts.log_out(session))
        db.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    bureau.accounts.log_out(session)


# ---- packages


def test_serving_the_native_api_loads_no_database():
    """Who has no accounts installs and loads none of it."""
    packages = {"sqlalchemy", "alembic", "connectrpc", "protobuf", "otp_app.accounts"}
    program = f"import wsgi, sys; print({packages} & set(sys.modules))"
    environ = {"OTP_STORE_URL": "memory://", "PATH": os.environ["PATH"]}
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environ, capture_output=True, check=True)
    assert run.stdout.splitlines()[-1] == b"set()"


def test_an_up_to_date_database_loads_no_alembic(tmp_path):
    """Its 10 MiB are for the start that changes tables."""
    url = f"sqlite:///{tmp_path}/accounts.db"
    program = (
        "import sys; from otp_app.accounts.database import Database; "
        f"Database({url!r}).ping(); print('alembic' in sys.modules)"
    )
    said = [subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True) for _ in "12"]
    assert [run.stdout.strip() for run in said] == [b"True", b"False"]
