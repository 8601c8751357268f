"""Session tokens: random, opaque, and stored as a hash alone."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from typing import NamedTuple

PREFIX = "ses_"
_TOKEN = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")


class NewSession(NamedTuple):
    """A session that begins: the token goes to its user, the other two into the database."""

    token: str
    token_hash: str
    id: str  # SE…, which lists show


def new_session(random_bytes: Callable[[int], bytes]) -> NewSession:
    """Return a token of 256 random bits, and an id that says nothing of it."""
    token = PREFIX + base64.urlsafe_b64encode(random_bytes(32)).decode().rstrip("=")
    return NewSession(token, hash_of(token), "SE" + random_bytes(16).hex())


def is_token(text: str) -> bool:
    """Whether a text has the form of a session token."""
    return bool(_TOKEN.fullmatch(text))


def hash_of(token: str) -> str:
    """Return what the database has of a token. It is random, so a fast hash without salt keeps it secret."""
    return hashlib.sha256(token.encode()).hexdigest()
