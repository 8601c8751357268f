"""A server in this process that the stand-in for Twilio can reach, and that sends through it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest
from werkzeug.serving import make_server

from tests.running import free_port
from tests.twilio.fake_twilio import FakeTwilio
from tests.twilio.twilio_model import Sent
from tests.web.site import Site

ACCOUNT = {
    "twilio_account_sid": "AC" + "0" * 32, "twilio_auth_token": "faketoken1234567", "otp_channels": ("whatsapp", "sms"),
    "twilio_phone_number": "+15005550006", "twilio_whatsapp_number": "+14155238886",
    "twilio_content_sid": "HX" + "2" * 32, "otp_client_limits": "",
}  # fmt: skip


@dataclass
class Reached:
    """A site, its provider, and the URL under which that reaches it."""

    site: Site
    twilio: FakeTwilio
    url: str

    def sent(self, channel: str = "sms") -> tuple[str, Sent]:
        """The id of a verification that was just begun, and its message at the provider."""
        body = {"phone_number": self.site.number(), "channel": channel}
        answer = self.site.post("/send-otp", body)
        return answer.json["verification_id"], self.twilio.messages[-1]

    def timeline(self, verification_id: str) -> dict[str, Any]:
        """What is shown of the one message of a verification."""
        (send,) = self.site.call("GET", f"/verifications/{verification_id}").json["sends"]
        return dict(send)


@pytest.fixture(scope="module")
def reached() -> Iterator[Reached]:
    """One for all tests of a module: each has a number of its own."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with FakeTwilio() as twilio:
        given = ACCOUNT | {"twilio_api_base_url": twilio.url, "otp_public_url": url, "twilio_webhook_keys": "k9:s9"}
        twilio.auto_deliver = False
        with closing(Site(**given)) as site:
            server = make_server("127.0.0.1", port, site.app, threaded=True)
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            yield Reached(site, twilio, url)
            server.shutdown()
            server.server_close()
        assert not twilio.violations
