"""What the codes of accounts are for: each purpose has codes of its own."""

from otp_app.core.results import DEFAULT_PURPOSE

SIGN_UP, LOG_IN, CHANGE, DELETE = "signup", DEFAULT_PURPOSE, "change", "delete"
