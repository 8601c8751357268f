"""`python -m otp_app accounts import`: users of another server."""

import sqlite3
import sys
from contextlib import closing

import psycopg
import pytest

from tests.accounts.conftest import REQUEST
from tests.command import run
from tests.configuration import VARIABLES

TABLES = """
CREATE TABLE users (id {serial}, phone_number text UNIQUE, otp text, is_verified boolean);
CREATE TABLE user_activity (phone_number text, event_type text, event_time timestamp);
INSERT INTO users (phone_number, otp, is_verified) VALUES
    ('+14155550001', '123456', true), ('+1 415 555 0002', '', true), ('+14155550003', '654321', false),
    ('+14155550002', '', true), ('call me', '', true), (NULL, '', NULL);
INSERT INTO user_activity VALUES
    ('+14155550001', 'login', '2024-01-01 12:00:00'), ('+14155550001', NULL, NULL),
    ('+19999', 'login', '2024-01-01 12:00:00'),
    ('+1 415 555 0002', 'logout', '2024-01-02 12:00:00.5');
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Commands run in a folder of their own, with nothing set."""
    monkeypatch.chdir(tmp_path)
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


@pytest.fixture
def their_file(tmp_path):
    """The file of another server."""
    with closing(sqlite3.connect(tmp_path / "theirs.db")) as db:
        db.executescript(TABLES.format(serial="INTEGER PRIMARY KEY"))
    return tmp_path / "theirs.db"


@pytest.fixture(params=["sqlite", "postgres"])
def theirs(request):
    """The database of another server."""
    if request.param == "sqlite":
        return f"sqlite:///{request.getfixturevalue('their_file')}"
    url = request.getfixturevalue("postgres_server").new_url()
    with psycopg.connect(url) as db:
        db.execute(TABLES.format(serial="serial PRIMARY KEY").encode())
    return url


@pytest.mark.parametrize("said", ["f", "FALSE", "0", "no"])
def test_a_text_that_says_no_verifies_nobody(bureau, their_file, capsys, monkeypatch, said):
    """SQLite has it after an export of PostgreSQL. What is neither true nor false ends the import."""
    monkeypatch.setenv("DATABASE_URL", bureau.url)
    with closing(sqlite3.connect(their_file)) as db, db:
        db.execute("UPDATE users SET is_verified = ? WHERE id = 1", [said])
        db.execute("UPDATE users SET is_verified = 't' WHERE id = 2")
    ended = run(capsys, "accounts", "import", f"sqlite:///{their_file}")
    assert bool(ended.status) == ("is_verified" in ended.error) == (said == "no")
    numbers = [f"+1415555000{n}" for n in (1, 2)]
    assert [bureau.accounts.is_registered(number) for number in numbers] == [False, said != "no"]


def test_users_and_activity_come_over(bureau, theirs, capsys, monkeypatch):
    """Whoever was verified logs in, the others sign up; what is no number stays behind."""
    monkeypatch.setenv("DATABASE_URL", bureau.url)
    ended = run(capsys, "accounts", "import", theirs)
    assert (ended.status, ended.error.partition(": ")[0], ended.error.count("\n")) == (0, "Accounts", 1)
    assert ended.output.splitlines()[:2] == [
        "Users imported: 3, with 2 lines of activity.",
        "Already here: 1. Without a phone number that can be read: 2.",
    ]
    numbers = [f"+1415555000{n}" for n in (1, 2, 3)]
    assert [bureau.accounts.is_registered(number) for number in numbers] == [True, True, False]
    bureau.accounts.send_login_code(numbers[0], REQUEST)
    session = bureau.accounts.session(bureau.accounts.log_in(numbers[0], bureau.code()))
    assert session.user.phone_number == numbers[0]
    assert bureau.rows("SELECT event, at FROM accounts_activity WHERE event = 'logout'") == [("logout", 1704196800)]


def test_a_second_time_nobody_comes_twice(bureau, theirs, capsys, monkeypatch):
    """Users who are here already stay as they are."""
    monkeypatch.setenv("DATABASE_URL", bureau.url)
    number, token = bureau.signed_up("+14155550001")
    run(capsys, "accounts", "import", theirs)
    ended = run(capsys, "accounts", "import", theirs)
    assert "Users imported: 0, with 0 lines of activity.\nAlready here: 4." in ended.output
    assert bureau.accounts.session(token).user.phone_number == number


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("mysql://host", "write sqlite:///file, or postgresql://user:password@host/database"),
        ("sqlite:///empty.db", "The database of accounts is not available (SQLITE_ERROR)"),
        ("sqlite:///mistyped.db", "FROM: the file {folder}/mistyped.db does not exist"),
    ],
)
def test_a_source_that_cannot_be_read_is_one_line(capsys, folder, source, line):
    """And nothing is imported, nor made."""
    (folder / "empty.db").touch()
    status, printed, error = run(capsys, "accounts", "import", source)
    assert (status, printed, error.splitlines()[1:]) == (1, "", [line.format(folder=folder)])
    assert not (folder / "mistyped.db").exists()


def test_the_source_stays_as_it_is(capsys, their_file, folder):
    """Another server works with it. Where the users come to is said: it may be another database than is meant."""
    before = their_file.read_bytes()
    status, printed, error = run(capsys, "accounts", "import", "sqlite:///theirs.db")
    assert (status, error) == (0, f"Accounts: sqlite:///{folder}/var/accounts.db\n")
    assert printed.endswith(f"The database is new: {folder}/var/accounts.db\n")
    assert their_file.read_bytes() == before


@pytest.mark.parametrize(
    ("env", "given"),
    [
        ("", {"DATABASE_URL_FILE": "/nowhere/database_url"}),
        ("", {"OTP_APP_NAME": "'Shop\nDATABASE_URL=sqlite:///one.db"}),
        ("DATABASE_URL=sqlite:///one.db\nDATABASE_URL=sqlite:///two.db\n", {}),
    ],
)
@pytest.mark.usefixtures("their_file")
def test_users_come_into_no_other_database_than_is_meant(capsys, folder, monkeypatch, env, given):
    """A DATABASE_URL that cannot be read is not the default."""
    (folder / ".env").write_text(env)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert run(capsys, "accounts", "import", "sqlite:///theirs.db").status == 1
    assert not list(folder.glob("**/accounts.db"))


def test_without_the_packages_it_says_how_to_install_them(capsys, monkeypatch):
    """With the versions of the lock file."""
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    monkeypatch.delitem(sys.modules, "otp_app.accounts.importer", raising=False)
    ended = run(capsys, "accounts", "import", "sqlite:///theirs.db")
    assert ended.status == 1
    assert ended.error.endswith("--require-hashes -r requirements-accounts.txt\n")
