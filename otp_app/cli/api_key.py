"""An API key; web/client.py has the digest that the settings have of it."""

from __future__ import annotations

import secrets


def new_api_key() -> str:
    """Return a key that nobody can guess."""
    return f"otp_{secrets.token_hex(4)}_{secrets.token_urlsafe(32)}"
