"""Settings of the users API that stand for others."""

from __future__ import annotations

from collections.abc import Mapping


def implied(given: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the URL of the Redis that older set-ups name in three variables, and the faults of these."""
    host, port, db = (given.get(f"redis_{name}", "") for name in ("host", "port", "db"))
    if not host or "otp_store_url" in given:  # a port alone may be a variable of another program
        return {}, {}
    faults = {f"REDIS_{name}": "write a number" for name, text in (("PORT", port), ("DB", db)) if not _is_number(text)}
    if faults:
        return {}, faults
    return {"otp_store_url": f"redis://{f'[{host}]' if ':' in host else host}:{port or 6379}/{db or 0}"}, {}


def _is_number(text: str) -> bool:
    return not text or (text.isascii() and text.isdecimal())
