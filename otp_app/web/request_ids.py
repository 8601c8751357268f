"""The id of a request: the one that its caller gave it, or a new one. The answer and the lines of the log have it."""

from __future__ import annotations

import re
import secrets
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

HEADER = "X-Request-ID"

_SAFE = re.compile(r"[0-9A-Za-z._-]{16,64}")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
#: what may be a phone number or a code, which no log has: digits that stand alone
_NUMBER = re.compile(r"(?<![0-9A-Za-z])[0-9]{4,}+(?![0-9A-Za-z])")


class RequestIds:
    """Gives ids that are unique: the beginning is this process's, and drawn with the first one, so after any fork."""

    def __init__(self) -> None:
        self._begin, self._numbers = "", count(1)

    def of(self, environ: WSGIEnvironment) -> str:
        """Return the caller's own id where it is one, and cannot be a number or a code; else a new one."""
        said = environ.get("HTTP_X_REQUEST_ID")
        return said if said and is_id(said) else self._new()

    def _new(self) -> str:
        if not self._begin:
            self._begin = secrets.token_hex(8)
        return f"{self._begin}x{next(self._numbers):x}"  # no run of zeros, nor digits that stand alone


def is_id(text: str) -> bool:
    """Return whether a text is taken for the id of a request."""
    return bool(_SAFE.fullmatch(text)) and bool(_UUID.fullmatch(text) or not _NUMBER.search(text))
