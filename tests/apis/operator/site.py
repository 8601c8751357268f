"""The operator's pages of a server in this process, and a browser that visits them."""

from __future__ import annotations

import html
import re
from typing import Any

from werkzeug.test import Client, TestResponse

from tests.web.site import BASE_URL, Site, api_key

KEY = "the key of an operator"
KEYS = f"{api_key('ops', 'admin', KEY)},{api_key('shop', 'send+verify', 'shop')}"
LIVE = {"X-Live": "1"}


class Visitor:
    """A browser: it keeps cookies, and sends the forms of the page that it was shown last."""

    def __init__(self, site: Site, base_url: str = BASE_URL) -> None:
        self.site, self.base_url = site, base_url
        self.client: Client = site.app.test_client()
        self.shown = ""  # the text of the last page

    def open(self, path: str, **how: Any) -> TestResponse:
        return self._keep(self.client.get(path, base_url=self.base_url, **how))

    def post(self, path: str, headers: dict[str, str] | None = None, **fields: str) -> TestResponse:
        """Send a form as a page of this server would."""
        headers = {"Origin": self.base_url, "Sec-Fetch-Site": "same-origin"} | (headers or {})
        return self._keep(self.client.post(path, base_url=self.base_url, data=fields, headers=headers))

    def send(self, path: str, **fields: str) -> TestResponse:
        """Send a form of the page that was shown last, with its token."""
        found = re.search(r'name="form_token" value="([0-9a-f]{64})"', self.shown)
        assert found, f"the page has no form: {self.text}"
        return self.post(path, form_token=found[1], **fields)

    def log_in(self, key: str = KEY) -> TestResponse:
        """Log in, and look at the first screen."""
        answer = self.post("/operator/login", key=key)
        if answer.status_code == 303:
            self.open("/operator")
        return answer

    def cookie(self) -> str:
        found = self.client.get_cookie("otp_operator", path="/operator", domain="127.0.0.1")
        return found.value if found else ""

    def _keep(self, answer: TestResponse) -> TestResponse:
        if answer.mimetype == "text/html" and answer.data:
            self.shown = answer.get_data(as_text=True)
        return answer

    @property
    def text(self) -> str:
        """What a person reads on the last page."""
        words = re.sub(r"<(title|script)[^>]*>.*?</\1>|<[^>]+>", " ", self.shown, flags=re.DOTALL)
        return " ".join(html.unescape(words).split())


def logged_in(site: Site) -> Visitor:
    """A browser whose operator has logged in."""
    visitor = Visitor(site)
    assert visitor.log_in().status_code == 303
    return visitor
