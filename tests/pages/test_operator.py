"""The operator's pages in a browser: by mouse, by keyboard and without scripts."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Page, expect
from werkzeug.serving import make_server

from tests.apis.operator.site import KEY, KEYS
from tests.histories import past
from tests.pages.browser import LOOKS, look
from tests.web.site import Site

NUMBER = "+14155552671"


class Served(NamedTuple):
    """A server in this process, whose clock stands still: the pictures of it are the same each time."""

    site: Site
    url: str


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """With 30 days of history."""
    site = Site(otp_apis=("native", "operator"), otp_api_keys=KEYS, otp_channels="tests.histories.past:Explaining",
                otp_history_url=f"sqlite:////{str(tmp_path).lstrip('/')}/history.db")  # fmt: skip
    past.keep(site, *past.days(site.clock.seconds))
    server = make_server("127.0.0.1", 0, site.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Served(site, f"http://127.0.0.1:{server.port}")
    server.shutdown()
    thread.join()
    server.server_close()
    site.close()


@pytest.fixture
def enter(served: Served, open_page: Callable[..., Page]) -> Callable[..., Page]:
    """Call it to get a window in which an operator has logged in."""

    def enter_(**how: object) -> Page:
        page = open_page(f"{served.url}/operator", **how)
        expect(page).to_have_url(f"{served.url}/operator/login")
        page.get_by_label("API key").fill(KEY)
        page.get_by_role("button", name="Log in").click()
        expect(page).to_have_url(f"{served.url}/operator")
        return page

    return enter_


def search(page: Page, wanted: str) -> None:
    page.get_by_label("Number or id").fill(wanted)
    page.get_by_role("button", name="Search").click()


@pytest.mark.parametrize(("size", "dark"), LOOKS)
def test_everybody_can_use_each_page(
    served: Served, open_page: Callable[..., Page], size: str, dark: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each width, in light and in dark. Four pages become pictures, but for the narrow ones."""
    if size == "narrow":
        monkeypatch.delenv("WRITE_PICTURES", raising=False)
    served.site.send(NUMBER, key="shop")
    page = open_page(f"{served.url}/operator", size=size, dark=dark)
    look(page, "operator-login")
    page.get_by_label("API key").fill(KEY)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Problems in the last 24 hours")).to_be_visible()
    look(page, "operator", whole=size == "desktop")
    page.get_by_role("link", name="example of Template failing, error 63042").click()
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    look(page, "operator-case", whole=True)
    search(page, NUMBER)
    expect(page.get_by_role("heading", name="Limits")).to_be_visible()
    look(page, "operator-number", whole=True)
    monkeypatch.delenv("WRITE_PICTURES", raising=False)
    page.get_by_role("link", name="Keys").click()
    look(page, "keys")
    page.get_by_role("link", name="Overview").click()
    page.get_by_role("link", name="Notifications").click()
    expect(page.get_by_text("Template failing: invoice")).to_be_visible()
    look(page, "notifications")
    search(page, "nonsense")
    expect(page.get_by_role("alert")).to_contain_text("country code")
    look(page, "search")


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_a_support_case_is_solved_in_three_clicks(served: Served, enter: Callable[..., Page], scripts: bool) -> None:
    """From the number to the canceled verification; the whole number is in no address."""
    served.site.send(NUMBER, key="shop")
    page = enter(java_script_enabled=scripts)
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    search(page, NUMBER)  # the first
    page.get_by_role("link", name="2025-06-15").click()
    page.get_by_role("button", name="Cancel the verification").click()
    expect(page.get_by_text("Canceled", exact=True)).to_be_visible()
    assert served.site.verify(NUMBER, key="shop").status_code == 400
    assert [address for address in addresses if NUMBER[1:] in address] == []


def test_the_keyboard_is_enough(served: Served, enter: Callable[..., Page]) -> None:
    """The first stop skips the header; a search needs no mouse."""
    served.site.send(NUMBER, key="shop")
    page = enter()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.get_by_label("Number or id").focus()
    page.keyboard.type(NUMBER)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="+1*******671")).to_be_visible()


def test_a_block_is_undone_where_it_was_made(served: Served, enter: Callable[..., Page]) -> None:
    page = enter()
    search(page, NUMBER)
    page.get_by_role("button", name="Block the number").click()
    expect(page.get_by_role("status")).to_have_text("Nothing is sent to this number any more.")
    assert served.site.send(NUMBER, key="shop").status_code == 403
    page.get_by_role("button", name="Unblock the number").click()
    expect(page.get_by_role("status")).to_have_text("Messages are sent to this number again.")
    assert served.site.send(NUMBER, key="shop").status_code == 200


def test_what_is_pending_is_shown_as_it_goes_on(served: Served, enter: Callable[..., Page]) -> None:
    """And no longer loaded again once it has ended."""
    id_ = served.site.send(NUMBER, key="shop").json["verification_id"]
    page = enter()
    page.clock.install()
    page.goto(f"{served.url}/operator/verifications/{id_}")
    expect(page.get_by_text("Waiting for the code")).to_be_visible()
    served.site.verify(NUMBER, key="shop")
    page.clock.run_for(3_000)
    expect(page.get_by_text("Approved: the right code was typed")).to_be_visible()
    expect(page.locator("main[data-live]")).to_have_count(0)


def test_the_first_screen_is_loaded_again_and_nobody_is_disturbed(served: Served, enter: Callable[..., Page]) -> None:
    """What is scrolled stays where it is, and what has the focus keeps it."""
    page = enter()
    page.clock.install()
    page.goto(f"{served.url}/operator")
    table = page.locator("#days-scroll")
    table.focus()
    table.evaluate("part => part.scrollTo(0, 100)")
    moved = page.evaluate("(scrollTo(0, 300), scrollY)")
    past.keep(served.site, past.ending(random.Random(8), served.site.clock.seconds))
    before = page.locator("dl.tiles").inner_text()
    page.clock.run_for(15_000)
    expect(page.locator("dl.tiles")).not_to_have_text(before, use_inner_text=True)
    expect(table).to_be_focused()
    assert (table.evaluate("part => part.scrollTop"), page.evaluate("scrollY")) == (100, moved)


def test_a_window_whose_session_has_ended_shows_the_log_in(served: Served, enter: Callable[..., Page]) -> None:
    """Figures do not stay on the screen of a desk that was left."""
    page = enter()
    page.clock.install()
    page.goto(f"{served.url}/operator")
    served.site.clock.advance(30 * 60 + 1)
    page.clock.run_for(15_000)
    expect(page).to_have_url(f"{served.url}/operator/login")
    expect(page.get_by_label("API key")).to_be_visible()
