"""What tests of pages share: a browser, and pages in it that are watched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.conftest import require
from tests.pages.browser import Watch, launch, opened


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. It ends with the module: Playwright's loop of asyncio would forbid tests of other modules theirs."""
    chromium = require("chromium")
    with sync_playwright() as playwright:
        browser = launch(playwright, chromium)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Call it with a URL to get that page in a window of its own, watched until the test ends.

    `size`: narrow, phone or desktop. `dark`: as who likes it dark sees it. `also`: other origins that it may ask.
    More goes to Playwright's new_context, such as java_script_enabled=False.
    """
    pages: list[Page] = []
    watches: list[Watch] = []

    def make(url: str, *, size: str = "desktop", dark: bool = False, also: tuple[str, ...] = (), **more: Any) -> Page:
        parts = urlsplit(url)
        watches.append(Watch({f"{parts.scheme}://{parts.netloc}", *also}))
        pages.append(opened(browser, url, watches[-1], size, dark, more))
        return pages[-1]

    yield make
    for page in pages:
        page.context.close()
    assert [fault for watch in watches for fault in watch.faults] == []
