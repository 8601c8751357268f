"""PHONE_VERIFICATION as users of django-phone-verify bring it along."""

from __future__ import annotations

import json
from typing import Any

SANDBOX_BACKEND = "phone_verify.backends.twilio.TwilioSandboxBackend"
DJANGO: dict[str, Any] = {
    "BACKEND": "phone_verify.backends.twilio.TwilioBackend",
    "OPTIONS": {"SID": "AC" + "0" * 32, "SECRET": "fake", "FROM": "+14755292729", "SANDBOX_TOKEN": "123456"},
    "TOKEN_LENGTH": 6,
    "MESSAGE": "Welcome to {app}! Please use security code {security_code} to proceed.",
    "APP_NAME": "Phone Verify",
    "SECURITY_CODE_EXPIRATION_SECONDS": 300,
    "VERIFY_SECURITY_CODE_ONLY_ONCE": True,
}


def django(**changes: Any) -> str:
    """The text of the setting, but for these keys."""
    return json.dumps(DJANGO | changes)
