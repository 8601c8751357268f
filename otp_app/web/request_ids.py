"""The id of a request: the one that its caller gave it, or a new one. The answer and the lines of the log have it."""

from __future__ import annotations

import re
import secrets

HEADER = "X-Request-ID"
GIVEN = "otp_app.request_id"  # where a WSGI environment has the id of a request

_SAFE = re.compile(r"[0-9A-Za-z._-]{16,64}")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
#: what may be a phone number or a code, which no log has: digits that stand alone
_NUMBER = re.compile(r"(?<![0-9A-Za-z])[0-9]{4,}+(?![0-9A-Za-z])")


_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")  # so that none has digits, as numbers and codes have
_AT_ONCE = 256  # ids of which the randomness is drawn together: a system call for each would cost more than all else


class RequestIds:
    """Gives ids that are unique, and tell nobody how many requests there were."""

    def __init__(self) -> None:
        self._drawn: list[str] = []

    def taken(self, said: str | None) -> str:
        """Return the caller's own id where it is one, and cannot be a number or a code; else a new one."""
        return said if said and is_id(said) else self._new()

    def _new(self) -> str:
        try:
            return self._drawn.pop()
        except IndexError:  # the first ones are drawn with the first request, so after any fork
            text = secrets.token_hex(12 * _AT_ONCE).translate(_LETTERS)
            first, *self._drawn = [text[at : at + 24] for at in range(0, len(text), 24)]
            return first


def is_id(text: str) -> bool:
    """Return whether a text is taken for the id of a request."""
    return bool(_SAFE.fullmatch(text)) and bool(_UUID.fullmatch(text) or not _NUMBER.search(text))
