"""How a gRPC server for phone codes uses Twilio Verify: two methods over Twilio's client, four variables to set."""

from __future__ import annotations

import os

from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client


class TwilioService:
    """Sends codes and checks them. `client` is Twilio's own, and public, so that it can be pointed elsewhere."""

    def __init__(self) -> None:
        self.client = Client(os.environ["TWILIO_ACCOUNT_SID"], os.environ["TWILIO_AUTH_TOKEN"])
        self.sender = os.environ["TWILIO_PHONE_NUMBER"]  # it must be set, though Verify chooses its senders itself
        self.service_sid = os.environ["TWILIO_VERIFICATION_SERVICE_SID"]

    def send_otp_to_phone(self, phone_number: str) -> str | None:
        """Send a code by SMS; return the id of the verification, None where it was refused."""
        service = self.client.verify.v2.services(self.service_sid)
        try:
            return service.verifications.create(to=phone_number, channel="sms").sid
        except TwilioRestException:
            return None

    def verify_otp(self, phone_number: str, otp: str) -> tuple[bool, str]:
        """Check a code; return whether it was right, and the status in Twilio's words."""
        service = self.client.verify.v2.services(self.service_sid)
        try:
            status = service.verification_checks.create(to=phone_number, code=otp).status
        except TwilioRestException as error:
            return False, {20404: "expired", 60202: "max_attempts_reached"}.get(error.code, "failed")
        return status == "approved", str(status)
