"""An API key, and what the settings have of it."""

from __future__ import annotations

import hashlib
import secrets


def new_api_key() -> str:
    """Return a key that nobody can guess."""
    return f"otp_{secrets.token_hex(4)}_{secrets.token_urlsafe(32)}"


def digest(secret: str) -> str:
    """Return the hash by which a secret is recognized."""
    return hashlib.sha256(secret.encode()).hexdigest()
