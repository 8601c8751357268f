"""GET /healthz and /readyz."""

import pytest

from otp_app.core.errors import ChannelDown, StoreUnavailable
from otp_app.version import __version__


def test_healthz_says_ok_and_nothing_else(site):
    """The process answers, whatever else does not work."""
    site.channel.ping_raises = ChannelDown("down")
    answer = site.call("GET", "/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


def test_readyz_says_ready(site):
    answer = site.call("GET", "/readyz")
    assert (answer.status_code, answer.json) == (200, {"status": "ready", "faults": {}, "version": __version__})


def test_readyz_names_what_does_not_work(site, monkeypatch):
    """503 names the parts, and not what they said."""

    def down():
        raise StoreUnavailable("disk I/O error at /secret/path")

    site.channel.ping_raises = ChannelDown("credentials AC123")
    monkeypatch.setattr(site.services.store, "ping", down)
    answer = site.call("GET", "/readyz")
    assert answer.status_code == 503
    assert answer.json == {
        "status": "unavailable",
        "faults": {"store": "store_unavailable", "sms": "channel_down"},
        "version": __version__,
    }
    assert answer.headers["Retry-After"] == "1"


def test_readyz_looks_into_the_directory(open_site, tmp_path):
    """A file that is away or cannot be read is a directory that does not work."""
    site = open_site(otp_apis="native,users", otp_directory_url=f"file://{tmp_path}/users.csv")
    assert site.call("GET", "/readyz").json["faults"] == {"directory": "directory_unavailable"}
    (tmp_path / "users.csv").write_text("user_id;phone_number\n")
    assert site.call("GET", "/readyz").status_code == 503
    (tmp_path / "users.csv").write_text("user_id,phone_number")
    assert site.call("GET", "/readyz").status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_head_has_no_body(site, path):
    answer = site.call("HEAD", path)
    assert (answer.status_code, answer.get_data()) == (200, b"")
