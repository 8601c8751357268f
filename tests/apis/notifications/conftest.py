"""A server with templates that the stand-in for Twilio can reach, and that sends through it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from tests.apis.callbacks.conftest import ACCOUNT
from tests.running import free_port, wait_until
from tests.twilio.fake_twilio import FakeTwilio
from tests.web.site import Site

ENGLISH, SPANISH = "HX" + "1" * 32, "HX" + "2" * 32
TEMPLATES = f"""
[order_shipped]
sms = "Your order {{number}} is on its way."
sms_by_locale = {{ es = "Tu pedido {{number}} está en camino." }}

[order_shipped.whatsapp]
content_sid = "{ENGLISH}"
content_sid_by_locale = {{ es = "{SPANISH}" }}
variables = {{ "1" = "number" }}

[closed]
sms = "We are closed today."
"""
CONTENTS = {ENGLISH: "Your order {{1}} is on its way.", SPANISH: "Tu pedido {{1}} está en camino."}
ENDED = {"sent", "delivered", "read", "undelivered", "failed", "unknown", "stopped"}


@dataclass
class Shop:
    """A site whose notifications the stand-in gets, and reports on by itself."""

    site: Site
    twilio: FakeTwilio

    def notify(self, number: str, template: str = "order_shipped", key: str = "", **fields: Any) -> TestResponse:
        body = {"phone_number": number, "template": template} | fields
        if template == "order_shipped":
            body = {"variables": {"number": "A-1042"}} | body
        return self.site.post("/notifications", body, headers={"Idempotency-Key": key} if key else {})

    def batch(self, recipients: list[Any], template: str = "order_shipped", key: str = "") -> TestResponse:
        headers = {"Idempotency-Key": key} if key else {}
        return self.site.post("/notifications/batch", {"template": template, "recipients": recipients}, headers=headers)

    def shown(self, notification_id: str) -> dict[str, Any]:
        return dict(self.site.call("GET", f"/notifications/{notification_id}").json)

    def ended(self, notification_id: str, *statuses: str) -> dict[str, Any]:
        """What is shown once it has one of these statuses."""
        wait_until(lambda: self.shown(notification_id)["status"] in (statuses or ENDED), "its status")
        return self.shown(notification_id)

    def texts(self, number: str) -> list[tuple[str, str]]:
        """What the provider got for a number: its addresses and the words that are read."""
        return [(m.api["to"], m.text) for m in self.twilio.messages if m.api["to"].endswith(number)]


@pytest.fixture
def templates(tmp_path: Path) -> Callable[[str], str]:
    """Write a file of templates; the path of it."""

    def write(text: str = TEMPLATES) -> str:
        path = tmp_path / "templates.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One for all tests of a module: each has numbers of its own. The fixture fails on a violation."""
    port, folder = free_port(), tmp_path_factory.mktemp("shop")
    (folder / "templates.toml").write_text(TEMPLATES, encoding="utf-8")
    url, store = f"http://127.0.0.1:{port}", f"sqlite:///{folder}/otp.db"
    with FakeTwilio() as twilio:
        twilio.contents = dict(CONTENTS)
        given = ACCOUNT | {
            "twilio_api_base_url": twilio.url, "otp_public_url": url, "otp_store_url": store,
            "otp_templates_file": f"{folder}/templates.toml", "twilio_content_sid": "",
        }  # fmt: skip
        with closing(Site(**given)) as site:
            server = make_server("127.0.0.1", port, site.app, threaded=True)
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            yield Shop(site, twilio)
            twilio.drain()
            server.shutdown()
            server.server_close()
        assert not twilio.violations
