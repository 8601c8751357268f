"""Tags: words of a caller's own that stay with a verification and come back with what is told of it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from otp_app.core.errors import BadTags

MOST = 5
MOST_BYTES = 256  # of names and values together, in UTF-8
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")  # in JSON, one takes six bytes


def require_small(tags: Mapping[str, str]) -> None:
    """Raise BadTags where a record has no room for these tags."""
    words = [*tags, *tags.values()]
    if len(tags) > MOST:
        raise BadTags(f"tags: at most {MOST}")
    if sum(len(word.encode()) for word in words) > MOST_BYTES:
        raise BadTags(f"tags: names and values may have {MOST_BYTES} bytes together")
    if "" in tags or any(map(_CONTROL.search, words)):
        raise BadTags("tags: a name must not be empty, and no text may have control characters")
