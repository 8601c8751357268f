"""Tags: words of a caller's own that stay with a verification and come back with what is told of it."""

from __future__ import annotations

import re
from collections.abc import Mapping

MOST = 5
MOST_BYTES = 256  # of names and values together, in UTF-8
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")  # in JSON, one takes six bytes


def fault_of(tags: Mapping[str, str]) -> str:
    """Return why these tags cannot be kept, "" where they can: a record has little room for them."""
    words = [*tags, *tags.values()]
    if len(tags) > MOST:
        return f"tags: at most {MOST}"
    if sum(len(word.encode()) for word in words) > MOST_BYTES:
        return f"tags: names and values may have {MOST_BYTES} bytes together"
    if "" in tags or any(map(_CONTROL.search, words)):
        return "tags: a name must not be empty, and no text may have control characters"
    return ""
