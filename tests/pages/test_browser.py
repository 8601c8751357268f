"""The browser of these tests sees what a page may not do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser

from tests.pages.browser import SIZES, Watch, look, opened

GOOD = '<!doctype html><html lang="en"><title>A page</title><link rel="icon" href="data:,"><main><h1>Hello</h1></main>'
FAULTS = {
    "asked for http://elsewhere.invalid/x.js": '<script src="http://elsewhere.invalid/x.js"></script>',
    "said oh": "<script>console.error('oh')</script>",
    "raised oh": "<script>throw new Error('oh')</script>",
    "404 for GET": '<img alt="" src="/missing">',
    "500 for GET": "<script>fetch('/broken')</script>",
    "said Applying inline style": '<meta http-equiv="Content-Security-Policy" content="style-src"><p style="top:0">',
}


class Pages(BaseHTTPRequestHandler):
    """Answers with the page that the test has set."""

    html = ""

    def do_GET(self) -> None:
        status = {"/missing": 404, "/broken": 500}.get(self.path, 200)
        body = self.html.encode() if status == 200 else b""
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    """Where Pages answers."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_seen(fault: str, browser: Browser, url: str) -> None:
    Pages.html = GOOD.replace("<main>", f"{FAULTS[fault]}<main>")
    watch = Watch({url})
    page = opened(browser, url, watch, "phone", False, {})
    page.wait_for_load_state("networkidle")
    page.context.close()
    assert [each for each in watch.faults if each.startswith(fault)], watch.faults


@pytest.mark.parametrize("size", SIZES)
def test_a_good_page_has_none(size: str, open_page, url: str) -> None:
    Pages.html = GOOD
    look(open_page(url, size=size, dark=True), "")


@pytest.mark.parametrize(
    ("html", "found"),
    [('<input type="text">', "label"), ('<p style="width:2000px">Wide</p>', "is 20"), ('<img src="data:,">', "alt")],
)
def test_look_finds_what_few_can_use(html: str, found: str, open_page, url: str) -> None:
    Pages.html = GOOD.replace("</main>", f"{html}</main>")
    with pytest.raises(AssertionError, match=found):
        look(open_page(url), "")
