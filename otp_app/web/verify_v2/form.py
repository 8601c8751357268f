"""The body of a request as a form: application/x-www-form-urlencoded in UTF-8, each field once."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from otp_app.web.body import BadRequest, decoded

TYPE = "application/x-www-form-urlencoded"
_FORM_TYPE = re.compile(rf"{TYPE}[ \t]*(;[ \t]*charset=\"?utf-8\"?)?[ \t]*", re.IGNORECASE)
_NO_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def fields() -> dict[str, str]:
    """Return the fields of the request at hand, a blank one as "". Raises BadRequest, TooLarge, UnsupportedMedia."""
    said = decoded(_FORM_TYPE, TYPE)
    if _NO_ESCAPE.search(said):
        raise BadRequest("The form has a % that begins no escape")
    try:
        pairs = parse_qsl(said, keep_blank_values=True, strict_parsing=True, errors="strict") if said else []
    except ValueError:
        raise BadRequest("The body is not a form of UTF-8 text") from None
    found = dict(pairs)
    if len(found) < len(pairs):
        raise BadRequest("The form has a field twice")
    return found
