"""What pages share: their files, and the headers of both."""

from __future__ import annotations

import re

import pytest

from otp_app.web import pages
from tests.running import RunningServer
from tests.web.test_root import BROWSER

NAMES = sorted(path.name for path in pages.SHARED._folder.iterdir())


@pytest.fixture
def page(site):
    return site.call("GET", "/", headers=BROWSER)


def test_a_page_may_do_little(page):
    """It runs and shows only what this server has, and nothing that stands in the page itself."""
    policy = dict(part.split(" ", 1) for part in page.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "connect-src", "form-action")} == {"'self'"}
    assert "unsafe" not in str(policy)
    assert page.headers.getlist("Cache-Control") == ["no-store"]
    assert page.headers.getlist("Referrer-Policy") == ["same-origin"]  # with less, its forms would have no origin
    assert page.headers["X-Content-Type-Options"] == "nosniff"


def test_a_page_names_its_files_by_content(site, page):
    """So that browsers keep them for a year, and still show the next version at once."""
    urls = re.findall(r'"(/static/[^"]+)"', page.get_data(as_text=True))
    assert urls
    for url in urls:
        answer = site.call("GET", url)
        assert answer.status_code == 200
        assert answer.headers.getlist("Cache-Control") == ["public, max-age=31536000, immutable"]
        old = re.sub("v=.*", "v=0123456789abcdef", url)
        assert site.call("GET", old).headers.getlist("Cache-Control") == ["no-cache"]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_at_its_plain_address_is_asked_for_again(site, name):
    """And not sent again."""
    first = site.call("GET", f"/static/{name}")
    again = site.call("GET", f"/static/{name}", headers={"If-None-Match": first.headers["ETag"]})
    assert (first.status_code, first.headers.getlist("Cache-Control")) == (200, ["no-cache"])
    assert (again.status_code, again.data) == (304, b"")
    assert first.headers["Content-Security-Policy"] == "default-src 'none'"
    assert first.mimetype == pages.KINDS[f".{name.rpartition('.')[2]}"]


@pytest.mark.parametrize("name", ["nothing.css", "../pages.py", "..%2Fpages.py", "%2e%2e/pages.py", "", ".", "%00"])
def test_there_is_nothing_else(site, name):
    assert site.call("GET", f"/static/{name}").status_code == 404


def test_gunicorn_serves_them(server):
    """With the headers above, to HEAD too."""
    running: RunningServer = server()
    answers = [running.call(method, "/static/pages.css") for method in ("GET", "HEAD")]
    for answer in answers:
        assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-cache")
        assert int(answer.headers["Content-Length"]) > 1000
        assert answer.headers["ETag"] == answers[0].headers["ETag"]
