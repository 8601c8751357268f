"""A server that takes what people write to it, and Twilio's side of that."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from otp_app.core.events import Approval
from tests.twilio import webhooks
from tests.web.site import Site

PUBLIC, PATH = "https://otp.example.com/app", "/callbacks/twilio/inbound"
ACCOUNT = {
    "otp_apis": ("native", "inbound"), "otp_public_url": PUBLIC, "otp_app_name": "Shop & Co", "otp_client_limits": "",
    "twilio_account_sid": "AC" + "0" * 32, "twilio_auth_token": "faketoken1234567",
    "twilio_whatsapp_number": "+14155238886", "twilio_phone_number": "+15005550006",
}  # fmt: skip
REPLY = re.compile(
    r'<\?xml version="1.0" encoding="UTF-8"\?><Response>(?:<Message>([^<]+)</Message>)?</Response>', re.ASCII
)


APPROVED: list[Approval] = []


def keep(approval: Approval) -> None:
    """What a test names as OTP_ON_APPROVED."""
    APPROVED.append(approval)


class Phones:
    """People who write to the senders of the server."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def begin(self, **fields: Any) -> Any:
        """What the server answers to who wants a number proved."""
        answer = self.site.post("/verifications/inbound", fields)
        assert answer.status_code == 200, answer.json
        return answer.json

    def form(self, text: str, sender: str, by: str = "whatsapp") -> webhooks.Form:
        """A new message, as Twilio describes it."""
        prefix = "whatsapp:" if by == "whatsapp" else ""
        return webhooks.inbound_form(prefix + sender, f"{prefix}+14155238886", text)

    def post(self, form: webhooks.Form, token: str = "faketoken1234567", **environ: Any) -> Any:
        """The answer to a webhook from Twilio's network."""
        headers = {"X-Twilio-Signature": webhooks.sign(token, PUBLIC + PATH, form),
                   "Content-Type": "application/x-www-form-urlencoded"}  # fmt: skip
        outside = {"HTTP_HOST": "otp.example.com", "REMOTE_ADDR": "203.0.113.9"} | environ
        return self.site.call("POST", PATH, webhooks.urlencode(form).encode(), headers, **outside)

    def bring(self, form: webhooks.Form) -> str:
        """The reply to a message that Twilio brings, "" for none."""
        answer = self.post(form)
        assert (answer.status_code, answer.mimetype) == (200, "text/xml")
        reply = REPLY.fullmatch(answer.get_data(as_text=True))
        assert reply, answer.get_data(as_text=True)
        return reply[1] or ""

    def write(self, text: str, sender: str | None = None, by: str = "whatsapp") -> str:
        """The reply to a new message of somebody."""
        return self.bring(self.form(text, sender or self.site.number(), by))

    def report(self, begun: Any) -> Any:
        """What the server says of a verification."""
        return self.site.call("GET", f"/verifications/{begun['verification_id']}").json

    def status(self, begun: Any) -> str:
        return str(self.report(begun)["status"])


def opened_by(link: str) -> tuple[str, str]:
    """The address and the text that a phone takes from a link, which people send as it is."""
    split = urlsplit(link)
    query = parse_qs(split.query, strict_parsing=True)
    return split.netloc + split.path, (query.get("text") or query["body"])[0]


@pytest.fixture
def phones(open_site: Callable[..., Site]) -> Phones:
    """Proofs by WhatsApp alone."""
    return Phones(open_site(**ACCOUNT))


@pytest.fixture
def phones_with_sms(open_site: Callable[..., Site]) -> Phones:
    """And by SMS."""
    return Phones(open_site(**ACCOUNT, otp_inbound_sms="1"))
