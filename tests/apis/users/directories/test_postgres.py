"""Users in a table of PostgreSQL."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from otp_app.apis.users.directories import postgres as directory
from otp_app.apis.users.directories.postgres import CONNECTIONS, PostgresDirectory
from otp_app.connections.postgres import STATEMENT
from otp_app.core.errors import DirectoryUnavailable
from tests.conftest import postgres_folder, require_postgres
from tests.patience import LONG, wait_long
from tests.services import Postgres

ANN, BOB = "+14155552671", "+14155552672"
USERS = f"""
    CREATE TABLE users (user_id text, phone_number varchar(40));
    INSERT INTO users VALUES ('Ann', ' {ANN} '), ('bob', NULL), ('user_id', 'x'), ('eve', '{BOB}'), ('EVE', '{ANN}');
    CREATE TABLE "Order" ("from" int, "to" bigint);
    INSERT INTO "Order" VALUES (42, 14155552672);
    CREATE FUNCTION slowly() RETURNS text LANGUAGE sql AS 'SELECT pg_sleep(30)::text';
    CREATE VIEW slow AS SELECT slowly() AS user_id, '' AS phone_number
"""


@pytest.fixture(scope="module")
def url(postgres_server):
    found = postgres_server.new_url()
    with postgres_server.client(found.rpartition("/")[2]) as db:
        db.execute(USERS)
    return found


@pytest.fixture
def users(url):
    with closing(PostgresDirectory(url)) as directory:
        yield directory


@pytest.fixture
def patient_users(url):
    """Those whose threads wait longer for their turn than a busy machine takes."""
    patch = wait_long()
    patch.setattr(directory, "SETTINGS", directory.SETTINGS.replace(f"{STATEMENT * 1000:.0f}", f"{LONG * 1000:.0f}"))
    with closing(PostgresDirectory(url)) as found:
        yield found
    patch.undo()


def test_what_a_table_says(users):
    """A number, no number, no such user; ids in any case."""
    found = [users.phone(user_id) for user_id in ("ann", "bob", "nobody", "' OR 1=1 --", "", "ann\0", "\ud800", "%s")]
    assert found == [ANN, "", *[None] * 6]


def test_an_id_matches_composed_and_decomposed(postgres_server):
    """Request and database may write one letter in two ways."""
    found = postgres_server.new_url()
    with postgres_server.client(found.rpartition("/")[2]) as db:
        db.execute(f"CREATE TABLE users AS SELECT U&'zoe\\0301' AS user_id, '{ANN}' AS phone_number")
    with closing(PostgresDirectory(found)) as users:
        assert users.phone("zo\u00e9") == ANN
        users.ping()
    with closing(PostgresDirectory(f"{found}?phone=mobile")) as users, pytest.raises(DirectoryUnavailable):
        users.ping()


def test_names_and_types_of_ones_own(url):
    """As the database has them, capital letters and words of SQL too; other options are libpq's."""
    with closing(PostgresDirectory(f"{url}?table=Order&application_name=otp&id=from&phone=to")) as users:
        assert [users.phone("42"), users.phone("7")] == ["14155552672", None]


def test_two_users_whose_ids_differ_by_case(users):
    with pytest.raises(DirectoryUnavailable, match="two users have this id"):
        users.phone("eve")


@pytest.mark.parametrize(("option", "fault"), [("table=people", "UndefinedTable"), ("id=name", "UndefinedColumn")])
def test_a_name_that_is_not_there(url, option, fault):
    """It cannot be asked, and the connection is as good as before."""
    with closing(PostgresDirectory(f"{url}?{option}")) as users:
        for _ in range(CONNECTIONS + 1):
            with pytest.raises(DirectoryUnavailable, match=fault):
                users.phone("ann")


def test_it_is_only_read(users, monkeypatch):
    monkeypatch.setattr(users, "_look_up", "DELETE FROM users WHERE user_id IN (%s, %s) RETURNING user_id")
    with pytest.raises(DirectoryUnavailable, match="ReadOnlySqlTransaction"):
        users.phone("bob")


def test_a_long_search_is_broken_off(url):
    users = PostgresDirectory(f"{url}?table=slow")
    with closing(users), pytest.raises(DirectoryUnavailable, match="too long"):
        users.phone("nobody")


def test_many_threads_share_few_connections(postgres_server, url, patient_users):
    """All are answered, and the server's places are left to others."""
    with ThreadPoolExecutor(8 * CONNECTIONS) as threads:
        assert set(threads.map(patient_users.phone, ["ann"] * 500)) == {ANN}
    with postgres_server.client() as db:
        count = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
        ((connections,),) = db.execute(count, [url.rpartition("/")[2]]).fetchall()
    assert 1 <= connections <= CONNECTIONS


def test_after_the_end(url):
    """A closed directory says so like any other that cannot be asked."""
    users = PostgresDirectory(url)
    assert users.phone("ann") == ANN
    users.close()
    with pytest.raises(DirectoryUnavailable):
        users.phone("ann")


def test_sessions_that_kept_a_fault_are_not_used_again(postgres_server):
    """Those that began while the database did not find its table: each is replaced once it has failed."""
    found = postgres_server.new_url()
    name = found.rpartition("/")[2]
    with postgres_server.client(name) as db, closing(PostgresDirectory(found)) as users:
        db.execute(f"{USERS}; ALTER DATABASE {name} SET search_path = elsewhere")
        seconds_of_a_fault(users)
        db.execute(f"ALTER DATABASE {name} RESET search_path")
        assert until_found(users) == ANN


@pytest.fixture
def own_server():
    with postgres_folder() as folder:
        server = Postgres(folder, require_postgres())
        server.start()
        yield server
        server.stop()


@pytest.mark.slow
def test_a_server_that_hangs_stops_and_comes_back(own_server):
    """A call meanwhile fails within 3 s, of 64 all; afterwards everything is as before, without a fault."""
    name = own_server.new_url().rpartition("/")[2]
    with own_server.client(name) as db:
        db.execute(USERS)
    with closing(PostgresDirectory(own_server.url(name))) as users, ThreadPoolExecutor(64) as threads:
        assert users.phone("ann") == ANN
        with own_server.held():
            waits = list(threads.map(lambda _: seconds_of_a_fault(users), range(64)))
        assert max(waits) < 3
        assert until_found(users) == ANN
        own_server.stop()
        assert seconds_of_a_fault(users) < 3
        own_server.start()
        assert until_found(users) == ANN


def seconds_of_a_fault(users):
    """How long a look-up takes that cannot be answered."""
    start = time.monotonic()
    with pytest.raises(DirectoryUnavailable):
        users.phone("ann")
    return time.monotonic() - start


def until_found(users):
    end = time.monotonic() + 5
    while True:
        try:
            return users.phone("ann")
        except DirectoryUnavailable:
            assert time.monotonic() < end


@pytest.mark.slow
def test_a_restart_is_not_noticed(own_server):
    """Connections that the server closed meanwhile are not used."""
    name = own_server.new_url().rpartition("/")[2]
    with own_server.client(name) as db:
        db.execute(USERS)
    with closing(PostgresDirectory(own_server.url(name))) as users:
        assert users.phone("ann") == ANN
        own_server.stop()
        own_server.start()
        assert users.phone("ann") == ANN
