"""User ids: one spelling for one id."""

from __future__ import annotations

import unicodedata


def user_id(text: str) -> str:
    """Return the spelling by which ids are compared: without blanks around, in lower case, composed (NFC)."""
    return unicodedata.normalize("NFC", text.strip().lower())
