"""Chromium for tests of pages: windows that are watched, and a look that finds what some people cannot use.

    def test_it(server, open_page):
        page = open_page(f"{server().url}/docs", size="phone", dark=True)
        page.get_by_role("button", name="Send").click()
        look(page, "docs")

The page is one of Playwright's. The test fails if it asks another host for anything, writes an error into the console,
breaks its Content-Security-Policy, raises an error, or is answered by a status of 500 or more. `WRITE_PICTURES=1`
makes each look a picture in docs/pictures: script/pictures.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, Request, Response

from tests.rounds import THOROUGH
from tests.running import ROOT

PICTURES = ROOT / "docs/pictures"
#: width, height and how many pixels of the screen one of the page has
SIZES = {"narrow": (320, 640, 2), "phone": (390, 844, 2), "desktop": (1280, 800, 1)}
#: Sizes, in the light (False) or the dark: each once; with CI=true, and for pictures, phone and desktop in both.
LOOKS = [("narrow", False), ("phone", True), ("desktop", False)]
if THOROUGH or os.environ.get("WRITE_PICTURES"):
    LOOKS += [("phone", False), ("desktop", True)]
COLOURS = sorted({dark for size, dark in LOOKS if size == "phone"})
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--font-render-hinting=none",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)  # fmt: skip
GRAVE = ("serious", "critical")
REFUSED = "Failed to load resource"  # the console's words for a status; `Watch.answered` tells which may be


def launch(playwright: Playwright, chromium: str) -> Browser:
    """Start Debian's Chromium, with an empty profile."""
    return playwright.chromium.launch(executable_path=chromium, headless=True, args=list(ARGUMENTS))


@dataclass
class Watch:
    """What a page did that it may not do."""

    origins: set[str]
    faults: list[str] = field(default_factory=list)

    def follow(self, context: BrowserContext) -> None:
        """Watch all pages of a window."""
        context.on("request", self.asked)
        context.on("response", self.answered)
        context.on("console", self.said)
        context.on("weberror", lambda raised: self.faults.append(f"raised {raised.error}"))

    def asked(self, request: Request) -> None:
        """Another host is none of its own."""
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob", "about") and f"{parts.scheme}://{parts.netloc}" not in self.origins:
            self.faults.append(f"asked for {request.url}")

    def answered(self, response: Response) -> None:
        """A script may be refused what it asks for, and a person a page; what a page consists of is there."""
        limit = 500 if response.request.resource_type in ("fetch", "xhr", "document") else 400
        if response.status >= limit:
            self.faults.append(f"{response.status} for {response.request.method} {response.url}")

    def said(self, message: ConsoleMessage) -> None:
        """A broken Content-Security-Policy is told here too."""
        if message.type == "error" and not message.text.startswith(REFUSED):
            self.faults.append(f"said {message.text}")


def opened(browser: Browser, url: str, watch: Watch, size: str, dark: bool, more: dict[str, Any]) -> Page:
    """A new window on a page. `more`: options of Playwright's new_context, such as java_script_enabled=False."""
    width, height, scale = SIZES[size]
    options: dict[str, Any] = {
        "viewport": {"width": width, "height": height}, "device_scale_factor": scale,
        "color_scheme": "dark" if dark else "light", "reduced_motion": "reduce", "locale": "en-GB",
        "has_touch": size != "desktop",
    }  # fmt: skip
    context = browser.new_context(**options | more)
    context.set_default_timeout(20_000)
    watch.follow(context)
    page = context.new_page()
    page.goto(url)
    return page


def look(page: Page, name: str, *, whole: bool = False) -> None:
    """Fail if axe finds something serious on the page as it stands, or if it is wider than its window.

    With WRITE_PICTURES=1 it is written into docs/pictures as `name`-size-light.png; `whole`: all one can scroll to;
    without a name it is not.
    """
    found = Axe().run(page).response["violations"]
    grave = [f"{one['id']}: {one['nodes'][0]['html']}" for one in found if one["impact"] in GRAVE]
    assert grave == [], grave
    width = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert width[0] <= width[1], f"{name} is {width[0]} wide in a window of {width[1]}"
    if name and os.environ.get("WRITE_PICTURES"):
        page.screenshot(path=picture(page, name), full_page=whole, animations="disabled")


def picture(page: Page, name: str) -> Path:
    """The file for a picture of the page as it stands."""
    assert page.viewport_size is not None
    size = next(size for size, (width, *_) in SIZES.items() if width == page.viewport_size["width"])
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    return PICTURES / f"{name}-{size}-{'dark' if dark else 'light'}.png"
