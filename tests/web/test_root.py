"""GET /: what there is, for programs and for people."""

from __future__ import annotations

import pytest

from otp_app.version import __version__
from tests.web.site import api_key

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def test_a_program_gets_json(site):
    """Also one that says nothing of what it accepts."""
    said = site.call("GET", "/").json
    assert (said["name"], said["version"], said["docs"], said["openapi"]) == (
        "otp_app", __version__, "/docs", "/openapi.json",
    )  # fmt: skip


def test_it_has_what_each_api_adds(open_all):
    """The keys of a server by user id are those that its clients know."""
    said = open_all(otp_apis=("native", "users")).call("GET", "/").json
    assert said["message"] == "OTP Service API"
    assert {"native", "users"} <= set(said["apis"])
    assert said["endpoints"].items() >= {
        "send_code": "POST /send-code", "verify_code": "POST /verify-code", "send_otp": "POST /send-otp",
    }.items()  # fmt: skip


def test_every_line_of_it_is_a_route(everything):
    rules = {f"{method} {rule.rule}" for rule in everything.app.url_map.iter_rules() for method in rule.methods}
    said = everything.call("GET", "/").json
    pages = {f"GET {path}" for path in (*said["pages"], said["docs"], said["openapi"])}
    assert {*said["endpoints"].values(), *pages} - rules == set()


def test_a_browser_gets_a_page(site):
    """With a link to the documents; caches tell the two apart."""
    page = site.call("GET", "/", headers=BROWSER)
    assert page.mimetype == "text/html"
    assert 'href="/docs"' in page.get_data(as_text=True)
    assert {site.call("GET", "/", headers=how).headers["Vary"] for how in (BROWSER, {})} == {"Accept"}


@pytest.mark.parametrize("accept", [BROWSER["Accept"], "*/*"])
def test_it_needs_no_key(open_site, accept):
    site = open_site(otp_api_keys=api_key("shop", "send", "a"))
    assert site.call("GET", "/", headers={"Accept": accept}, REMOTE_ADDR="203.0.113.9").status_code == 200
