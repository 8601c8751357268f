"""GET /docs: Swagger UI where its package is installed, and the page without scripts where it is not."""

from __future__ import annotations

import gzip
import json
import re
import sys
from html import unescape

import pytest

from otp_app.web import openapi, swagger
from tests.running import ROOT
from tests.web.site import api_key

FILES = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}


@pytest.fixture
def site(everything):
    return everything


def text(site, path="/docs", **headers):
    return site.call("GET", path, headers=headers).get_data(as_text=True)


def test_the_page_takes_its_files_from_this_server(site):
    """All of them, and no other."""
    page = text(site)
    paths = re.findall(r'(?:src|href)="([^"]*)"', page)
    paths.remove("#swagger-ui")
    assert all(path.startswith("/") for path in paths)
    assert len([path for path in paths if "?v=" in path]) == 7
    for path in paths:
        assert site.call("GET", path).status_code in (200, 303)  # the log-in of /operator


@pytest.mark.parametrize("path", ["/docs", "/docs/plain"])
def test_its_header_leads_to_the_other_pages(site, path):
    """As that of each page does, so that nobody needs the way back of the browser."""
    header = text(site, path).partition("</nav>")[0]
    pages = [*site.call("GET", "/").json["pages"], "/docs"]
    assert re.findall('href="(/[^"?]*)"', header.partition('class="bar"')[2]) == ["/", *pages]
    assert '<a href="/docs" aria-current="page">' in header


@pytest.mark.parametrize("name", FILES)
def test_browsers_keep_a_file_as_long_as_it_is_the_same(site, name):
    """The page names its version; whoever asks without it gets 304 for what he has."""
    first = site.call("GET", f"/docs/{name}?v={swagger._version()}")
    assert (first.mimetype, first.headers["Cache-Control"]) == (FILES[name], "public, max-age=31536000, immutable")
    again = site.call("GET", f"/docs/{name}", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data, again.headers["Cache-Control"]) == (304, b"", "no-cache")
    small = site.call("GET", f"/docs/{name}", headers={"Accept-Encoding": "gzip"})
    assert small.headers["ETag"] != first.headers["ETag"]


def test_no_script_stands_in_the_page(site):
    """The policy lets in files of this server alone, and styles of single elements, which Swagger UI sets."""
    assert re.findall(r"<script[^>]*>([^<]+)</script>|\son\w+=", text(site)) == []
    (policy,) = site.call("GET", "/docs").headers.getlist("Content-Security-Policy")
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["frame-ancestors"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["script-src"] == rules["connect-src"] == "'self'"
    assert [name for name, value in rules.items() if "unsafe" in value] == ["style-src"]


@pytest.mark.parametrize("path", ["/", "/docs/plain", "/docs/swagger-ui.css", "/openapi.json", "/nothing"])
def test_no_other_page_may_set_styles(site, path):
    assert "unsafe" not in site.call("GET", path).headers["Content-Security-Policy"]


def test_operations_that_reject_pages_cannot_be_tried(site):
    """Those of Twilio's clients and of Twilio itself; all others can."""
    refused = json.loads(unescape(re.search('data-refused="([^"]*)"', text(site))[1]))
    document = site.call("GET", "/openapi.json").json
    shown = {f"{method} {path}" for method, path, _ in openapi.operations(document)}
    assert {each for each in shown if re.search(" /(v2|callbacks)/", each)} == shown & set(refused)


def test_what_the_page_is_told_is_no_markup(site, monkeypatch):
    """However a route is called."""
    monkeypatch.setattr("otp_app.web.openapi._refusing_pages", lambda: ['"><img src=x>'])
    assert "<img src=x" not in text(site)


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_small_for_readers_that_take_it_so(site, name):
    """And whole for others."""
    answers = [site.call("GET", f"/docs/{name}", headers={"Accept-Encoding": "gzip"}) for _ in range(2)]
    assert answers[0].headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(answers[0].data).decode() == text(site, f"/docs/{name}")
    assert {answer.headers["Vary"] for answer in answers} == {"Accept-Encoding"}


@pytest.mark.parametrize("is_small", [True, False])
def test_readers_of_a_file_share_its_bytes(is_small):
    """A thousand slow ones hold it once."""
    path = swagger.folder() / "swagger-ui-bundle.js"
    assert swagger.content(path, is_small) is swagger.content(path, is_small)


@pytest.mark.parametrize("name", ["nothing.js", "..", "%2e%2e%2fLICENSE", "swagger.py", "index.html", "VERSION"])
def test_no_other_file_can_be_had(site, name):
    answer = site.call("GET", f"/docs/{name}")
    assert (answer.status_code, answer.json["error_type"]) == (404, "not_found")


def test_without_the_package_the_page_has_no_scripts(site, monkeypatch):
    """And says what would bring them."""
    monkeypatch.setattr(swagger, "folder", lambda: None)
    assert text(site) == text(site, "/docs/plain")
    assert "requirements-docs.txt" in text(site)
    assert [site.call("GET", f"/docs/{name}").status_code for name in FILES] == [404] * 2


def test_without_the_package_the_page_has_the_command_that_installs_it(everything, monkeypatch):
    """One line to type, as this environment takes it, without a path of this machine. With the package it has none."""
    assert "restart the server" not in text(everything, "/docs/plain")
    everything.app.extensions.pop("openapi", None)
    monkeypatch.setattr(swagger, "folder", lambda: None)
    shown = unescape(text(everything))
    (line,) = re.findall("<pre><code>(.*requirements-docs.txt)</code></pre>", shown)
    assert re.fullmatch(r"(\S+ -m|uv) pip install .*--require-hashes -r requirements-docs.txt", line.replace("  ", " "))
    assert str(ROOT) not in line



def test_the_package_is_not_loaded(open_site):
    """Only its files are wanted: its code would be one more thing in each worker."""
    text(open_site(otp_api_keys=api_key("shop", "send", "s")))
    assert swagger.PACKAGE not in sys.modules


def test_reading_pages_are_at_their_old_addresses_too(site):
    assert site.call("GET", "/redoc").headers["Location"] == "/docs/plain"
