"""How the settings of the receiver of events are read; as in settings/types.py, a fault never contains the text."""

from __future__ import annotations

import base64
import ipaddress
import re
from urllib.parse import urlsplit

from otp_app.settings.types import names

URL = "write https://HOST/PATH, without a user name and without #; http:// is for this machine alone"
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?|[0-9a-f:.]+")  # as urlsplit returns it: small, without brackets
_VISIBLE = re.compile(r"[\x21-\x7e]{1,2000}")


def url(text: str) -> str:
    """Read the address of a receiver of events."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(URL) from None
    fits = _VISIBLE.fullmatch(text) and _HOST.fullmatch(host) and port != 0 and "@" not in parts.netloc
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and _is_this_machine(host))
    if not fits or not is_safe or "#" in text or "\\" in text:
        raise ValueError(URL)
    return text


def secrets(text: str) -> tuple[bytes, ...]:
    """Read secrets of Standard Webhooks, several with commas: the new one beside the old one while it is replaced."""
    found = tuple(secret(item) for item in names(text))
    if len(set(found)) < len(found):
        raise ValueError("a secret is written twice")
    return found


def secret(item: str) -> bytes:
    """Read `whsec_` and base64 of 24 to 64 bytes."""
    try:
        found = base64.b64decode(item.removeprefix("whsec_"), validate=True)
    except ValueError:
        found = b""
    if not item.startswith("whsec_") or not 24 <= len(found) <= 64:
        raise ValueError("write whsec_BASE64 of 24 to 64 bytes: `python -m otp_app keys events` makes one")
    return found


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
