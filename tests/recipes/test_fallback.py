"""docs/delivery.md: WhatsApp with SMS behind it, as a reader sets it up beside the account of the README."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.provider import Provider
from tests.running import ROOT, RunningServer, wait_until

pytestmark = pytest.mark.slow
INDIA, AMERICA = "+919876543210", "+14155552671"


def test_the_settings_of_the_page_send_an_sms_after_a_whatsapp_message_that_is_dropped(
    tmp_path: Path, fake_twilio: Provider
) -> None:
    page = (ROOT / "docs/delivery.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```ini\n(OTP_CHANNELS=whatsapp,sms\n.*?)```", page, re.DOTALL)
    server = RunningServer(tmp_path, fake_twilio.url, TWILIO_WHATSAPP_NUMBER="+14155238886")
    for name in ("TWILIO_PHONE_NUMBER", *re.findall(r"^(\w+)=", block, re.MULTILINE)):
        server.environment.pop(name, None)  # the README's account has no SMS
    given = block.replace("https://otp.example.com", server.url).replace("your-token", "faketoken1234567")
    (tmp_path / ".env").write_text(given)
    (tmp_path / ".env").chmod(0o600)
    fake_twilio.script(f"whatsapp:{INDIA}", "sent", "undelivered:63016")
    with server:
        sent = server.post("/send-otp", {"phone_number": INDIA}).json
        assert (sent["channel"], server.post("/send-otp", {"phone_number": AMERICA}).json["channel"]) == (
            "whatsapp", "sms",
        )  # fmt: skip
        wait_until(lambda: fake_twilio.code_for(INDIA) and len(fake_twilio.messages) == 3, "the SMS", 10)
        shown = server.call("GET", f"/verifications/{sent['verification_id']}").json["sends"]
        assert [send["channel"] for send in shown] == ["whatsapp", "sms"]
        assert server.post("/verify-otp", {"phone_number": INDIA, "otp": fake_twilio.code_for(INDIA)}).json["success"]
