"""/docs: a developer shows a key, sends a code and checks it, without leaving the page."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Locator, Page

from otp_app.web import swagger
from tests.conftest import absent
from tests.pages.browser import LOOKS, look
from tests.rounds import THOROUGH
from tests.running import RunningServer

KEY, CODE, NUMBER = "otp_0123abcd_pages", "735912", "+14155552671"
#: where Swagger UI, which takes seconds to begin, has room
WINDOWS = [(size, dark) for size, dark in LOOKS if size == "phone" or (THOROUGH and size == "desktop")]
#: the page is ready when the last of its operations stands there
LAST = "#operations-server-redoc"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with a key and a test number, so that nothing is sent to anybody."""
    if swagger.folder() is None:
        absent("the package flask-swagger-ui")
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    settings = {
        "OTP_APIS": "native,verify_v2", "OTP_API_KEYS": f"shop:send+verify:{digest}",
        "OTP_TEST_NUMBERS": f"{NUMBER}={CODE}@{datetime.now(UTC).date() + timedelta(days=7)}",
        "OTP_VERIFY_ACCOUNTS": f"AC{'0' * 32}:{digest}",
    }  # fmt: skip
    with RunningServer(tmp_path_factory.mktemp("docs"), "", **settings) as server:
        yield server


def authorize(page: Page) -> None:
    page.get_by_role("button", name="Authorize").click()
    bearer = page.locator(".auth-container", has_text="bearer")
    bearer.locator("input").fill(KEY)
    bearer.locator("button.authorize").click()
    page.get_by_role("button", name="Close").first.click()


def opened(page: Page, operation: str) -> Locator:
    """An operation, unfolded."""
    found = page.locator(f"[id$=-{operation}]")
    found.locator(".opblock-summary-control").click()
    found.locator(".opblock-body").wait_for()
    return found


def tried(page: Page, operation: str, body: str) -> str:
    """What the page shows of the answer to a request."""
    found = opened(page, operation)
    found.get_by_role("button", name="Try it out").click()
    found.locator("textarea").first.fill(body)
    found.get_by_role("button", name="Execute").click()
    return found.locator(".live-responses-table .response").first.inner_text()


@pytest.mark.parametrize(("size", "dark"), WINDOWS)
def test_a_code_is_sent_and_checked_from_the_page(server, open_page, size, dark):
    """With a key, at any width, in the light and in the dark."""
    page = open_page(f"{server.url}/docs", size=size, dark=dark)
    page.locator(LAST).wait_for()
    look(page, "docs")
    authorize(page)
    assert '"status": "pending"' in tried(page, "sendOtp", f'{{"phone_number": "{NUMBER}"}}')
    page.locator(".live-responses-table").scroll_into_view_if_needed()
    look(page, "docs-sent")
    assert '"status": "approved"' in tried(page, "verifyOtp", f'{{"phone_number": "{NUMBER}", "otp": "{CODE}"}}')


def test_without_a_key_the_page_shows_the_refusal(server, open_page):
    """As the server says it."""
    page = open_page(f"{server.url}/docs")
    page.locator(LAST).wait_for()
    answer = tried(page, "sendOtp", f'{{"phone_number": "{NUMBER}"}}')
    assert answer.startswith("401")
    assert "unauthorized" in answer


def test_what_rejects_pages_has_no_button(server, open_page):
    """Twilio's clients are no browsers."""
    page = open_page(f"{server.url}/docs")
    page.locator(LAST).wait_for()
    assert opened(page, "startVerification").get_by_role("button", name="Try it out").count() == 0
    assert opened(page, "healthz").get_by_role("button", name="Try it out").count() == 1


@pytest.mark.parametrize(("size", "dark"), WINDOWS)
def test_everybody_can_read_the_page_without_scripts(server, open_page, size, dark):
    page = open_page(f"{server.url}/docs/plain", size=size, dark=dark)
    look(page, "docs-plain")
