"""A request body that is a form in UTF-8: URL-encoded, or multipart/form-data where an API accepts that too."""

from __future__ import annotations

import re
from io import BytesIO
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from flask import request
from werkzeug.exceptions import HTTPException
from werkzeug.formparser import MultiPartParser

from otp_app.web.body import BLANKS, CHARSET, MAX_BYTES, BadRequest, content, text_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

TYPE = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
MAX_FIELDS = 100
_FORM_TYPE = re.compile(rf"{TYPE}{BLANKS}{CHARSET}", re.IGNORECASE)
#: The boundary as RFC 2046, 5.1.1, has it, without its blanks.
_MULTIPART_TYPE = re.compile(
    rf"{MULTIPART}{BLANKS}{CHARSET};{BLANKS}boundary=(\"?)([\w'()+,./:=?-]{{1,70}})\1{BLANKS}{CHARSET}",
    re.IGNORECASE | re.ASCII,
)
_NO_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def fields() -> dict[str, str]:
    """Return the fields of a URL-encoded body. None may be repeated; a blank one is "".

    Raises BadRequest, TooLarge, UnsupportedMedia.
    """
    pairs = _pairs(strict=True)
    found = dict(pairs)
    if len(found) < len(pairs):
        raise BadRequest("The form repeats a field")
    return found


def last_fields() -> dict[str, str]:
    """Return the fields of a URL-encoded body as browsers and Django read it.

    The last of repeated fields counts, and a field without `=` is blank. Raises what `fields` raises.
    """
    return dict(_pairs(strict=False))


def _pairs(*, strict: bool) -> list[tuple[str, str]]:
    said = text_of(content(_FORM_TYPE, TYPE))
    if _NO_ESCAPE.search(said):
        raise BadRequest("The form has a % without two hex digits")
    if said.count("&") >= MAX_FIELDS:
        raise BadRequest(f"The form has more than {MAX_FIELDS} fields")
    try:
        return parse_qsl(said, keep_blank_values=True, strict_parsing=strict, errors="strict") if said else []
    except ValueError:
        raise BadRequest("The body must be a form in UTF-8") from None


def multipart_fields() -> dict[str, object]:
    """Return the fields of a multipart body; the last of repeated fields counts, and a file is not a text.

    Browsers send a file field without a chosen file as one with an empty name: it is "". Nothing is written to disk.
    Raises what `fields` raises.
    """
    announced = _MULTIPART_TYPE.fullmatch(request.environ.get("CONTENT_TYPE", ""))
    if announced is None:
        raise BadRequest("Content-Type must have a boundary, and no charset other than UTF-8")
    data = text_of(content(_MULTIPART_TYPE, MULTIPART)).encode()
    parser = MultiPartParser(max_form_memory_size=2 * MAX_BYTES, max_form_parts=MAX_FIELDS)
    try:
        texts, files = parser.parse(BytesIO(data), announced[2].encode(), len(data))
    except (ValueError, HTTPException):
        raise BadRequest("The body does not match the boundary of its Content-Type") from None
    found: dict[str, object] = {name: values[-1] for name, values in texts.lists()}
    return found | {name: given[-1] if given[-1].filename else "" for name, given in files.lists()}


def from_another_site(environ: WSGIEnvironment) -> bool:
    """Return whether a page of another origin made the browser send the request.

    A browser sends a preflight request before JSON or a header that the page chose, but not before a form. Every POST
    names the origin of the page (https://html.spec.whatwg.org/#origin), "null" for a hidden one.
    """
    origin = environ.get("HTTP_ORIGIN")
    own = environ.get("HTTP_HOST", "").lower()  # a proxy may write the usual port, which an origin does not have
    ours = f"http://{own.removesuffix(':80')}", f"https://{own.removesuffix(':443')}"
    return origin is not None and origin.lower() not in ours
