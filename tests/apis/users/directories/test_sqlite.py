"""Users in a table of an SQLite file."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from otp_app.apis.users.directories.sqlite import SqliteDirectory
from otp_app.core.errors import DirectoryUnavailable
from otp_app.settings import mounts

ANN, BOB = "+14155552671", "+14155552672"
SLOW = """
    CREATE VIEW slow AS
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers) SELECT n AS user_id, n AS phone_number
    FROM numbers
"""


@pytest.fixture
def path(tmp_path):
    with closing(sqlite3.connect(tmp_path / "users.db")) as db:
        db.execute("CREATE TABLE users (user_id, phone_number)")
        rows = [("Ann", f" {ANN} "), ("bob", None), (42, 14155552672), ("user_id", "x"), ("eve", BOB), ("EVE", ANN)]
        db.executemany("INSERT INTO users VALUES (?, ?)", rows)
        db.execute('CREATE TABLE "order" AS SELECT user_id AS "from", phone_number AS "to" FROM users')
        db.execute(SLOW)
        db.commit()
    return tmp_path / "users.db"


def test_what_a_table_says(path):
    """A number, no number, no such user; ids in any case, and numbers where text was meant."""
    users = SqliteDirectory(f"sqlite:///{path}")
    found = [users.phone(user_id) for user_id in ("ann", "bob", "42", "nobody", "' OR 1=1 --", "", "ann\0", "\ud800")]
    assert found == [ANN, "", "14155552672", *[None] * 5]


def test_a_file_that_only_its_mount_keeps(path, tmp_path):
    """As in a container after a rename outside: the numbers there are those of before."""
    with path.open() as mount:
        (name := tmp_path / "mounted.db").symlink_to(f"/proc/self/fd/{mount.fileno()}")
        users = SqliteDirectory(f"sqlite:///{name}")
        assert users.phone("ann") == ANN
        path.unlink()
        with pytest.raises(DirectoryUnavailable, match="its mount keeps the old file"):
            users.phone("ann")


def test_a_mounted_file_that_is_renamed_outside(path, tmp_path, monkeypatch):
    """The mount goes on to show it, under whatever name it is kept."""
    monkeypatch.setattr(mounts, "MOUNTS", listed := tmp_path / "mountinfo")
    listed.write_text(f"65 44 254:0 /lists/users.db {path} rw - ext4 /dev/vda rw\n")
    users = SqliteDirectory(f"sqlite:///{path}")
    assert users.phone("ann") == ANN
    listed.write_text(listed.read_text().replace("users.db ", "users.old ", 1))
    with pytest.raises(DirectoryUnavailable, match="its mount keeps the old file"):
        users.phone("ann")


def test_an_id_matches_composed_and_decomposed(path):
    """Request and database may write one letter in two ways."""
    with closing(sqlite3.connect(path)) as db:
        db.executemany("INSERT INTO users VALUES (?, ?)", [("zoe\u0301", ANN), ("ren\u00e9", BOB)])
        db.commit()
    users = SqliteDirectory(f"sqlite:///{path}")
    assert [users.phone("zo\u00e9"), users.phone("ren\u00e9")] == [ANN, BOB]


def test_a_ping_sees_a_wrong_name_and_a_missing_file(path, tmp_path):
    SqliteDirectory(f"sqlite:///{path}").ping()
    for url in (f"sqlite:///{path}?phone=mobile", f"sqlite:///{tmp_path}/absent.db"):
        with pytest.raises(DirectoryUnavailable):
            SqliteDirectory(url).ping()


def test_names_of_ones_own(path):
    assert SqliteDirectory(f"sqlite:///{path}?table=order&id=from&phone=to").phone("ann") == ANN


def test_two_users_whose_ids_differ_by_case(path):
    with pytest.raises(DirectoryUnavailable, match="two users have this id"):
        SqliteDirectory(f"sqlite:///{path}").phone("eve")


@pytest.mark.parametrize("option", ["table=people", "id=name", "phone=mobile"])
def test_a_name_that_is_not_there(path, option):
    """To SQLite a column that is not there may be a text in quotes: it must not become everybody's id or number."""
    users = SqliteDirectory(f"sqlite:///{path}?{option}")
    for user_id in ("ann", "name"):
        with pytest.raises(DirectoryUnavailable, match="SQLITE_ERROR"):
            users.phone(user_id)


def test_a_file_that_is_not_there(tmp_path):
    """It is not made, and once it is there it is used."""
    users = SqliteDirectory(f"sqlite:///{tmp_path}/users.db")
    with pytest.raises(DirectoryUnavailable, match="SQLITE_CANTOPEN"):
        users.phone("ann")
    assert list(tmp_path.iterdir()) == []


def test_another_file(path, tmp_path):
    """What is no database cannot be asked; a file that was put in its place is seen at once."""
    users = SqliteDirectory(f"sqlite:///{path}")
    assert users.phone("ann") == ANN
    (tmp_path / "new.db").write_text("no database, but a text of some length" * 100)
    (tmp_path / "new.db").replace(path)
    with pytest.raises(DirectoryUnavailable, match="SQLITE_NOTADB"):
        users.phone("ann")


def test_it_is_only_read(path, monkeypatch):
    users = SqliteDirectory(f"sqlite:///{path}")
    monkeypatch.setattr(users, "_look_up", "DELETE FROM users WHERE user_id IN (?, ?)")
    with pytest.raises(DirectoryUnavailable, match="SQLITE_READONLY"):
        users.phone("bob")


def test_a_lock_is_not_waited_for_long(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DirectoryUnavailable, match="SQLITE_BUSY"):
            SqliteDirectory(f"sqlite:///{path}", timeout=0.05).phone("ann")


def test_a_long_search_is_broken_off(path):
    """A table without an index may be large; this one never ends."""
    with pytest.raises(DirectoryUnavailable, match="SQLITE_INTERRUPT"):
        SqliteDirectory(f"sqlite:///{path}?table=slow", timeout=0.05).phone("nobody")


def test_many_threads(path):
    users = SqliteDirectory(f"sqlite:///{path}")
    with ThreadPoolExecutor(64) as threads:
        assert set(threads.map(users.phone, ["ann"] * 500)) == {ANN}


def test_from_the_folder_of_the_start(path, monkeypatch):
    """Three slashes: relative, wherever the process goes later."""
    monkeypatch.chdir(path.parent)
    users = SqliteDirectory("sqlite:///users.db")
    monkeypatch.chdir("/")
    assert users.phone("ann") == ANN


@pytest.fixture
def logged(path):
    """A file in WAL mode that no program has open."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
    return path


def test_a_look_up_makes_no_file(logged):
    """A log or its index would belong to the server's user, and the program whose file it is could not write it."""
    users = SqliteDirectory(f"sqlite:///{logged}")
    assert [users.phone("ann"), users.phone("nobody")] == [ANN, None]
    assert list(logged.parent.iterdir()) == [logged]


def test_what_a_program_has_written_to_the_log(logged):
    users = SqliteDirectory(f"sqlite:///{logged}")
    assert users.phone("ann") == ANN
    with closing(sqlite3.connect(logged)) as db:
        db.execute("UPDATE users SET phone_number = ? WHERE user_id = 'Ann'", (BOB,))
        db.commit()
        assert users.phone("ann") == BOB
    assert users.phone("ann") == BOB


def test_a_change_during_a_look_up(logged, monkeypatch):
    """Without locks a look-up may see half of it, so it is made again."""
    users, asked = SqliteDirectory(f"sqlite:///{logged}"), []

    def write(address, *arguments):
        asked.append(address)
        if len(asked) == 1:
            with closing(sqlite3.connect(logged)) as db:
                db.execute("UPDATE users SET phone_number = ? WHERE user_id = 'Ann'", (BOB,))
                db.commit()
            return [("half",)]
        return SqliteDirectory._asked(users, address, *arguments)

    monkeypatch.setattr(users, "_asked", write)
    assert users.phone("ann") == BOB
    assert list(logged.parent.iterdir()) == [logged]
