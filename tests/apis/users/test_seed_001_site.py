"""The API of seed 001 on this server: the native API beside it, restarts, and what settings change."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
import redis

from tests.apis.users.conftest import serving_users
from tests.apis.users.words_001 import expired, invalid, nothing, said
from tests.web.site import api_key, wrong

pytestmark = pytest.mark.slow

PATHS = pytest.mark.parametrize("path", ["/send-code", "/verify-code"])
BODY = {"user_id": "abc", "passcode": "123456"}


# ---- the native API beside it


def test_a_send_brings_a_code_that_can_be_used_here(users):
    """After three wrong attempts there another code is sent, since nothing could be done here with the old one."""
    user, old = users.coded()
    assert [users.verify(user.number, wrong(old)).status for _ in range(3)] == [400] * 3
    users.wait(31)
    assert users.send_code(user.id).status == 200
    assert users.verify_code(user.id, users.provider.code(user.number)).status == 200


def test_the_end_is_reported_here_whatever_was_checked_there(users):
    """The native API tells no reasons, so it takes none away."""
    user, code = users.coded()
    users.wait(301)
    assert users.verify(user.number, code).status == 400
    assert said(users.verify_code(user.id, code)) == expired(user.id)


# ---- starting again, and with other settings


@pytest.mark.parametrize("kind", ["sqlite", "redis", "postgres"])
def test_a_restart_forgets_nothing(tmp_path, new_store, kind):
    """Neither attempts nor codes, and what was reported is not reported again."""
    with serving_users(tmp_path, store=new_store(kind)) as users:
        (used, code), (late, _), (reported, _) = users.coded(), users.coded(), users.coded()
        assert said(users.verify_code(used.id, wrong(code))) == invalid(used.id, 2)
        restart(users)
        assert said(users.verify_code(used.id, wrong(code))) == invalid(used.id, 1)
        assert users.verify_code(used.id, code).status == 200
        users.wait(301)
        assert said(users.verify_code(reported.id, "123456")) == expired(reported.id)
        restart(users)
        assert said(users.verify_code(reported.id, "123456")) == nothing(reported.id)
        assert [said(users.verify_code(late.id, "123456")) for _ in range(2)] == [expired(late.id), nothing(late.id)]


@pytest.mark.parametrize("tests", [False, True])
def test_how_long_a_store_keeps_a_code(tmp_path, redis_server, tests):
    """An hour after the code's life, so that its end can be reported. Nothing else of a test number lasts longer."""
    url, tomorrow = redis_server.new_url(), datetime.now(UTC).date() + timedelta(days=1)
    fixed = f"+14155551000=654321@{tomorrow}"
    with serving_users(tmp_path, store=url, OTP_TEST_NUMBERS=fixed if tests else "") as users:
        user = users.user()
        assert users.send_code(user.id).status == 200
        assert len(users.provider.posts) == (0 if tests else 1)
        with redis.Redis.from_url(url) as store:
            (ledger,) = store.keys("otp:v:n:*")
            kept = store.pttl(ledger) / 1000
        # A minute for the slowest machine between the two; the day is that of the cap of messages.
        longest = 3600 + 300 if tests else 86_400
        assert longest - 60 < kept <= longest


def restart(users):
    """End the server and start it on the same records."""
    users.server.stop()
    users.server.start()


def test_the_directory_is_a_file_that_is_edited(tmp_path):
    """A line more is a user more, at once: the original had to be started again."""
    with serving_users(tmp_path) as users:
        assert users.send_code("john_doe").status == 404
        with (tmp_path / "users.csv").open("a", encoding="ascii") as file:
            file.write("john_doe,+14155550123\n")
        assert users.send_code("john_doe").status == 200


def test_a_repeated_request_names_no_number_that_got_no_message(tmp_path):
    """The first answer comes again, also for the id in other letters, when the directory has another number by now."""
    with serving_users(tmp_path, OTP_USERS_EXPOSE_PHONE="1") as users:
        user, again = users.user(), {"Idempotency-Key": "one"}
        first = users.server.post("/send-code", {"user_id": user.id}, again)
        assert (first.status, first.json["phone"]) == (200, user.number)
        file = tmp_path / "users.csv"
        file.write_text(file.read_text(encoding="ascii").replace(user.number, "+14155559999"), encoding="ascii")
        second = users.server.post("/send-code", {"user_id": user.id.upper()}, again)
        assert (second.status, "9999" in second.json["phone"]) == (200, False)
        assert [post.number for post in users.provider.posts] == [user.number]


def test_a_number_that_cannot_be_read_takes_no_good_file_away(tmp_path):
    """The operator's slip: the users read before stay, and the log says which row to mend."""
    with serving_users(tmp_path) as users:
        assert users.send_code("nophone").status == 404
        with (tmp_path / "users.csv").open("a", encoding="ascii") as file:
            file.write("slip,4.36641E+11\n")
        assert users.send_code("slip").json == {"detail": "User not found"}
        assert users.send_code("abc").status == 200
        assert "row 304 has a phone number that cannot be read: write it as text" in users.server.log()


@PATHS
def test_a_number_of_a_database_that_cannot_be_read_is_503(tmp_path, path):
    """An INTEGER column drops the plus sign: a fault of the directory, and not a user without number."""
    with closing(sqlite3.connect(tmp_path / "users.db")) as db:
        db.execute("CREATE TABLE users (user_id TEXT, phone_number INTEGER)")
        db.execute("INSERT INTO users VALUES ('abc', '+14155552671')")
        db.commit()
    with serving_users(tmp_path, OTP_DIRECTORY_URL=f"sqlite:///{tmp_path}/users.db") as users:
        answer = users.server.post(path, BODY)
        assert (answer.status, "write it as text" in answer.json["detail"]) == (503, True)
        assert "directory_unavailable: The directory is not available (this user's phone number" in users.server.log()


@PATHS
def test_a_directory_that_is_away_is_503(tmp_path, path):
    """Not 404: a user is not gone because the file is. The answer says when to come back."""
    with serving_users(tmp_path, OTP_DIRECTORY_URL="file:absent.csv") as users:
        answer = users.server.post(path, BODY)
        assert (answer.status, type(answer.json["detail"])) == (503, str)
        assert int(answer.headers["Retry-After"]) >= 1


def test_the_variables_of_its_redis(tmp_path, redis_server):
    """REDIS_HOST, REDIS_PORT and REDIS_DB name the store where nothing else does."""
    with serving_users(tmp_path, store=redis_server.new_url()) as users:
        host, db = users.server.environment.pop("OTP_STORE_URL").removeprefix("redis://").split("/")
        name, port = host.split(":")
        users.server.environment |= {"REDIS_HOST": name, "REDIS_PORT": port, "REDIS_DB": db}
        user, code = users.coded()
        restart(users)
        assert users.verify_code(user.id, code).status == 200


def test_a_key_is_needed_where_there_are_keys(tmp_path):
    """Also where the native API is open to browsers: this one tells codes and users apart."""
    settings = {"OTP_API_KEYS": api_key("shop", "send+verify", "otp_shop"), "OTP_PUBLIC": "1", "OTP_COUNTRIES": "US"}
    with serving_users(tmp_path, **settings) as users:
        user = users.user()
        assert users.server.post("/send-otp", {"phone_number": user.number}).status == 200
        for path in ("/send-code", "/verify-code"):
            answer = users.server.post(path, BODY)
            assert (answer.status, type(answer.json["detail"])) == (401, str)
        key = {"Authorization": "Bearer otp_shop"}
        assert users.server.post("/send-code", {"user_id": users.user().id}, key).status == 200
