"""How the store calls Redis: scripts, and answers of the expected kind."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import redis

from otp_app.core.errors import StoreUnavailable

SCRIPTS = Path(__file__).with_name("lua")


class Script:
    """A script that the server knows by its digest once it has run it."""

    def __init__(self, file: Path) -> None:
        self.text = file.read_bytes()
        self._digest = hashlib.sha1(self.text, usedforsecurity=False).hexdigest()

    def run(self, server: Any, keys: list[str], *arguments: bytes | int) -> Any:
        """Return its answer."""
        try:
            return server.evalsha(self._digest, len(keys), *keys, *arguments)
        except redis.exceptions.NoScriptError:  # so it did not run
            return server.eval(self.text, len(keys), *keys, *arguments)


def answer(kind: Any, given: Any) -> Any:
    """Return an answer of this kind. One of another, such as a lone OK, is no answer to what was asked."""
    if isinstance(given, kind) and given != []:
        return given
    raise StoreUnavailable("The store is not available (its answer is not one of Redis)")


def milliseconds(ttl: float) -> int:
    """Return a lifetime as Redis takes it, at least 1."""
    return max(int(ttl * 1000), 1)
