"""Who may see the operator's pages, and for how long."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from flask import Request
from msgspec.structs import replace

from otp_app.apis.operator.api import NO_KEYS, OperatorApi
from otp_app.core.errors import StoreUnavailable
from otp_app.serving.app import create_app
from otp_app.system.program import COMMAND
from tests.apis.operator.site import KEY, KEYS, LIVE, Visitor, logged_in
from tests.configuration import make_settings
from tests.running import ROOT
from tests.web.site import BASE_URL, Site, api_key

PAGES = ["/operator", "/operator/keys", f"/operator/verifications/VE{'0' * 32}"]
FORMS = ["search", "cancel", "block", "unblock", "reset", "logout"]


def is_out(visitor: Visitor) -> bool:
    """Whether the first screen leads to the log-in."""
    answer = visitor.open("/operator")
    assert (answer.status_code, answer.headers.get("Location")) in [(303, "/operator/login"), (200, None)]
    return answer.status_code == 303


@pytest.mark.parametrize("path", PAGES)
def test_without_a_session_a_page_leads_to_the_log_in(site: Site, path: str) -> None:
    visitor = Visitor(site)
    answer = visitor.open(path)
    assert (answer.status_code, answer.headers["Location"], answer.data) == (303, "/operator/login", b"")
    assert visitor.open("/operator/login").status_code == 200


@pytest.mark.parametrize("site_of_link", ["cross-site", "same-site"])
def test_a_link_on_another_site_comes_again_with_the_cookie(visitor: Visitor, site_of_link: str) -> None:
    """The browser keeps it back, as SameSite=Strict has it, and nobody is logged out by that."""
    stranger = Visitor(visitor.site)
    answer = stranger.open("/operator?of=notifications", headers={"Sec-Fetch-Site": site_of_link})
    assert (answer.status_code, "Set-Cookie" in answer.headers) == (200, False)
    assert '<meta http-equiv="refresh" content="0; url=/operator?of=notifications">' in stranger.shown
    answer = stranger.open("/operator", headers={"Sec-Fetch-Site": "same-origin"})
    assert (answer.status_code, "Set-Cookie" in answer.headers) == (303, False)


@pytest.mark.parametrize("before", ["", "a=b; ", "otp_operator_not=x; ", "; " * 4000])
def test_of_a_header_of_cookies_the_session_alone_is_read(
    site: Site, before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strangers may send thousands of others, which cost ten milliseconds."""
    visitor = Visitor(site)
    visitor.log_in()
    monkeypatch.setattr(Request, "cookies", property(lambda _: pytest.fail("all are read")))
    for cookie, status in [(visitor.cookie(), 200), ("made up", 303), ("", 303)]:
        client = site.app.test_client(use_cookies=False)
        how: Any = {"base_url": BASE_URL, "headers": {"Cookie": f"{before}otp_operator={cookie}; c=d"}}
        assert client.get("/operator", **how).status_code == status
        assert client.get("/operator/login", **how).status_code == {200: 303, 303: 200}[status]


def test_a_cookie_that_is_no_session_is_deleted(site: Site) -> None:
    visitor = Visitor(site)
    visitor.client.set_cookie("otp_operator", "made up", path="/operator", domain="127.0.0.1")
    assert "otp_operator=;" in visitor.open("/operator").headers["Set-Cookie"]
    assert not visitor.cookie()


@pytest.mark.parametrize("form", FORMS)
def test_without_a_session_no_form_does_anything(site: Site, form: str) -> None:
    number = site.number()
    assert Visitor(site).post(f"/operator/{form}", number=number).status_code == 303
    assert site.send(number, key="shop").status_code == 200


@pytest.mark.parametrize("header", [{"Authorization": f"Bearer {KEY}"}, {"X-API-Key": KEY}])
def test_a_key_alone_opens_no_page(site: Site, header: dict[str, str]) -> None:
    """A form of another site could not send it, but a page is for people who have logged in."""
    assert Visitor(site).open("/operator", headers=header).status_code == 303


def test_a_session_is_no_key(visitor: Visitor) -> None:
    assert visitor.client.post("/send-otp", base_url=BASE_URL, json={"phone_number": "+14155552671"}).status_code == 401


def test_the_key_of_an_operator_opens_no_api(site: Site) -> None:
    assert site.send(key=KEY).status_code == 403


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(site: Site) -> None:
    set_cookie = Visitor(site).log_in().headers["Set-Cookie"]
    assert {part.strip() for part in set_cookie.split(";")[1:]} == {"HttpOnly", "SameSite=Strict", "Path=/operator"}
    assert KEY not in set_cookie


@pytest.mark.parametrize("how", ["https itself", "a proxy"])
def test_under_https_the_cookie_stays_there(site: Site, how: str) -> None:
    headers = {"X-Forwarded-Proto": "https"} if how == "a proxy" else {}
    visitor = Visitor(site, BASE_URL if how == "a proxy" else BASE_URL.replace("http:", "https:"))
    assert "; Secure;" in visitor.post("/operator/login", headers, key=KEY).headers["Set-Cookie"]


def test_a_wrong_key_is_not_let_in(site: Site) -> None:
    visitor = Visitor(site)
    for wrong in ("", "wrong", "shop "[:4] + "x", KEY.upper()):
        assert visitor.log_in(wrong).status_code == 401
    assert "does not know this key" in visitor.text
    assert "Set-Cookie" not in visitor.post("/operator/login", key="wrong").headers
    assert is_out(visitor)


def test_a_key_of_another_scope_is_told_so(site: Site) -> None:
    visitor = Visitor(site)
    assert visitor.log_in("shop").status_code == 403
    assert "does not have the scope admin" in visitor.text
    assert is_out(visitor)


def test_wrong_keys_are_limited(site: Site) -> None:
    """Together with those that APIs are shown, and for each client by itself."""
    visitor = Visitor(site)
    for _ in range(5):
        visitor.log_in("wrong")
        site.send(key="wrong")
    answer = visitor.log_in("wrong")
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert "Too many wrong keys" in visitor.text


def test_a_session_ends_after_half_an_hour_without_a_page(visitor: Visitor) -> None:
    for _ in range(3):
        visitor.site.clock.advance(29 * 60)
        assert not is_out(visitor)
    visitor.site.clock.advance(30 * 60 + 1)
    assert is_out(visitor)


def test_the_script_keeps_no_session_alive(visitor: Visitor) -> None:
    """Nobody may be there any more."""
    for _ in range(10):
        visitor.site.clock.advance(170)
        assert visitor.open("/operator", headers=LIVE).status_code == 200
    visitor.site.clock.advance(101)
    answer = visitor.open("/operator", headers=LIVE)
    assert (answer.status_code, answer.json["error_type"]) == (401, "unauthorized")


def test_a_session_ends_after_twelve_hours(visitor: Visitor) -> None:
    for _ in range(12 * 60 // 20):
        visitor.site.clock.advance(20 * 60)
        assert not is_out(visitor)
    visitor.site.clock.advance(1)
    assert is_out(visitor)


def test_a_new_cookie_comes_once_a_minute_only(visitor: Visitor) -> None:
    visitor.site.clock.advance(59)
    assert "Set-Cookie" not in visitor.open("/operator").headers
    visitor.site.clock.advance(1)
    assert "Set-Cookie" in visitor.open("/operator").headers


def test_who_logs_out_is_out_with_any_copy_of_the_cookie(visitor: Visitor) -> None:
    copy = visitor.cookie()
    assert visitor.send("/operator/logout").headers["Location"] == "/operator/login"
    assert visitor.cookie() == ""
    visitor.client.set_cookie("otp_operator", copy, path="/operator", domain="127.0.0.1")
    assert is_out(visitor)


def again(site: Site, keys: str) -> Visitor:
    """A browser at a server over the same store and secrets with other keys, as after a reload."""
    settings = replace(site.services.settings, otp_api_keys=make_settings(otp_api_keys=keys).otp_api_keys)
    other = object.__new__(Site)
    other.services, other.clock = dataclasses.replace(site.services, settings=settings), site.clock
    other.app = create_app(services=other.services)
    return Visitor(other)


@pytest.mark.parametrize(("keys", "is_in"), [
    (KEYS, True),
    (api_key("shop", "send", "shop"), False),
    (api_key("ops", "admin", "another secret"), False),
    (api_key("ops", "send+verify", KEY), False),
    (api_key("other", "admin", KEY), False),
    (api_key("ops", "admin+metrics", KEY), True),
], ids=["the same", "revoked", "rotated", "without the scope", "renamed", "another scope more"])  # fmt: skip
def test_a_session_ends_with_its_key(visitor: Visitor, keys: str, is_in: bool) -> None:
    """Any server over the same settings accepts it until then."""
    reloaded = again(visitor.site, keys)
    reloaded.client.set_cookie("otp_operator", visitor.cookie(), path="/operator", domain="127.0.0.1")
    assert is_out(reloaded) != is_in


def test_no_cookie_can_be_made_up(visitor: Visitor) -> None:
    """A change of any character, or of the name to that of another operator, is no session."""
    token = visitor.cookie()
    name, id_, begun, seen, mac = token.split(":")
    made_up = [
        "", "x", token[:-1], token + "0", f"{name}:{id_}:{begun}:{int(seen) + 60}:{mac}",
        f"shop:{id_}:{begun}:{seen}:{mac}", f"{name}:{'0' * 32}:{begun}:{seen}:{mac}",
        f"{name}:{id_}:{begun}:{seen}:{'0' * 64}", f"{name}:{id_}:{begun}:{seen}:",
    ]  # fmt: skip
    for cookie in made_up:
        visitor.client.set_cookie("otp_operator", cookie, path="/operator", domain="127.0.0.1")
        assert is_out(visitor), cookie
    visitor.client.set_cookie("otp_operator", token, path="/operator", domain="127.0.0.1")
    assert not is_out(visitor)


def test_a_session_of_the_future_is_none(site: Site) -> None:
    """A clock of another server may be a minute ahead, and no more."""
    visitor = logged_in(site)
    site.clock.advance(-60)
    assert not is_out(visitor)
    site.clock.advance(-1)
    assert is_out(visitor)


def test_while_the_store_is_away_nobody_is_in(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the session was ended cannot be known then."""

    def away(*_: object) -> int:
        raise StoreUnavailable("The store is not available")

    monkeypatch.setattr(visitor.site.services.store, "add", away)
    assert visitor.open("/operator").status_code == 503
    assert "Sent" not in visitor.text


@pytest.mark.parametrize("keys", ["", api_key("shop", "send", "shop")], ids=["no keys", "none of the scope"])
def test_without_a_key_of_its_scope_the_log_in_says_what_to_do(open_site: Callable[..., Site], keys: str) -> None:
    visitor = Visitor(open_site(otp_api_keys=keys))
    assert is_out(visitor)
    visitor.open("/operator/login")
    assert f"{COMMAND} keys new operator --scopes admin" in visitor.text
    assert "<form" not in visitor.shown
    assert visitor.post("/operator/login", key="shop").status_code in (401, 403)


def test_the_start_says_so_too() -> None:
    served = {"otp_apis": ("operator",)}
    assert OperatorApi.advice(make_settings(**served)) == [NO_KEYS]
    assert OperatorApi.advice(make_settings(**served, otp_api_keys=KEYS)) == []
    assert OperatorApi.advice(make_settings()) == []


def test_who_has_logged_in_is_led_on(visitor: Visitor) -> None:
    assert visitor.open("/operator/login").headers["Location"] == "/operator"


def test_the_log_has_who_logged_in_and_no_key(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    logged_in(site).send("/operator/logout")
    assert "operator: key ops logged in from 127.0.0.1" in caplog.text
    assert "operator: key ops logged out" in caplog.text
    assert KEY not in caplog.text


@pytest.mark.slow
def test_it_is_off_by_default() -> None:
    """And then nothing is imported of it."""
    program = (
        "import sys; from otp_app.wiring import build; from otp_app.serving.app import create_app;"
        "from otp_app.settings import Settings;"
        "s = build(Settings(otp_store_url='memory://')); create_app(services=s); s.close();"
        "sys.exit(any('apis.operator' in name for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, cwd=ROOT).returncode == 0
