"""What the start says of the settings of this API."""

import sys
from pathlib import Path

import pytest

from otp_app import startup
from otp_app.apis.connect import api
from tests.web.site import api_key

SERVED = {"OTP_APIS": "connect", "OTP_CHANNELS": "tests.web.site:RecordingChannel"}


def faults(**given):
    """The lines of a start with these variables."""
    with pytest.raises(startup.BadSettings) as raised:
        startup.load(SERVED | given, Path())
    return raised.value.faults


def test_with_otp_public_it_needs_keys():
    """For the RPCs that show who has an account."""
    public = {"OTP_PUBLIC": "1", "OTP_COUNTRIES": "US"}
    assert [line for line in faults(**public) if line.startswith("OTP_API_KEYS: the API connect")]
    startup.load(SERVED | public | {"OTP_API_KEYS": api_key("shop", "send", "right")}, Path())


def test_strangers_cannot_check_by_number_where_checks_go_by_id():
    """OTP_CHECK_BY=id promises that; callers with a key of this API may."""
    keys = {"OTP_API_KEYS": api_key("shop", "send", "right"), "OTP_CHECK_BY": "id"}
    (line,) = faults(**keys, OTP_PUBLIC="1", OTP_COUNTRIES="US")
    assert line.startswith("OTP_CHECK_BY: the API connect")
    startup.load(SERVED | keys, Path())


@pytest.mark.parametrize("url", ["mysql://host/db", "postgresql://u:hunter2/x@host/db"])
def test_a_database_url_that_is_none(url):
    """In one line, without its password; where the API is not served it belongs to another program."""
    (line,) = faults(DATABASE_URL=url)
    assert line.startswith("DATABASE_URL: write ")
    assert "hunter2" not in line
    startup.load(SERVED | {"OTP_APIS": "native", "DATABASE_URL": url}, Path())


def test_without_its_packages(monkeypatch):
    """The command that installs them."""
    monkeypatch.setattr(api, "find_spec", lambda name: name != "connectrpc")
    (line,) = faults()
    assert line.startswith("OTP_APIS: the API connect needs another package: " + sys.executable)
    assert line.endswith("-r requirements-accounts.txt")


def test_check_asks_the_database(tmp_path):
    """Whether it can be used at the moment. It makes nothing, which would belong to whoever calls it."""
    (tmp_path / "accounts.db").mkdir()
    (tmp_path / "lost.db-wal").touch()
    (tmp_path / "link.db").symlink_to("not mounted.db")
    for name, lines in {"accounts.db": 1, "lost.db": 1, "link.db": 1, "new.db": 0, "new/folder/new.db": 0}.items():
        settings = startup.load(SERVED | {"DATABASE_URL": f"sqlite:///{tmp_path}/{name}"}, Path())
        assert len(startup.unreachable(settings)) == lines
    assert {path.name for path in tmp_path.iterdir()} == {"accounts.db", "lost.db-wal", "link.db"}
    startup.prepare_apis(settings)
    assert (tmp_path / "new/folder/new.db").stat().st_size


def test_a_database_that_others_can_read(tmp_path):
    """As of a backup that was put back: it has the numbers of all users."""
    (tmp_path / "accounts.db").touch(0o644)
    assert faults(DATABASE_URL=f"sqlite:///{tmp_path}/accounts.db") == [
        f"DATABASE_URL: others can read the database: chmod 600 {tmp_path}/accounts.db"
    ]
