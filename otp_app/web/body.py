"""The body of a request: strict JSON. A fault has nothing of the body in it."""

from __future__ import annotations

import json
import re
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NoReturn

from flask import request

from otp_app.core.errors import InvalidInput

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MAX_BYTES = 8192
MAX_DEPTH = 32
TOO_LARGE = f"The body must not be larger than {MAX_BYTES} bytes"
# Possessive (++): what matched is not tried again in other ways, so a text that fits nearly costs no more than any.
BLANKS = r"[ \t]*+"
CHARSET = rf"(?:;{BLANKS}charset=\"?utf-8\"?{BLANKS})?"
_JSON_TYPE = re.compile(rf"application/json{BLANKS}{CHARSET}", re.IGNORECASE)
# A string without its end reaches to the end of the body, so that no other one is looked for in it.
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKET = re.compile(r"[\[{\]}]")
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}


class BadRequest(InvalidInput):
    """A request that cannot be read."""

    code = "bad_request"


class TooLarge(InvalidInput):
    """A body over the limit."""

    code = "too_large"


class UnsupportedMedia(InvalidInput):
    """A body of another media type, by its headers."""

    code = "unsupported_media_type"


def document() -> Any:
    """Return the JSON value of the current request's body. Raises BadRequest, TooLarge, UnsupportedMedia."""
    return parse(decoded(_JSON_TYPE, "application/json"))


def decoded(media: re.Pattern[str], name: str) -> str:
    """Return the text of the current request's body, which must have this media type. Raises what `document` raises."""
    environ = request.environ
    if not media.fullmatch(environ.get("CONTENT_TYPE", "")):
        raise UnsupportedMedia(f"Content-Type must be {name}")
    if environ.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
        raise UnsupportedMedia("Content-Encoding is not supported")
    try:
        return str(_bytes(environ), "utf-8")
    except UnicodeDecodeError:
        raise BadRequest("The body must be UTF-8") from None


def _bytes(environ: WSGIEnvironment) -> bytes:
    """Read as much as Content-Length says, or a chunked body to its end. A truncated body is rejected."""
    text = environ.get("CONTENT_LENGTH") or ""
    length = int(text.lstrip("0")[:20] or 0) if text.isdecimal() else None  # Python reads no number of 4,300 digits
    most = MAX_BYTES + 1 if length is None and environ.get("wsgi.input_terminated") else length or 0
    if length is not None and length > MAX_BYTES:
        raise TooLarge(TOO_LARGE)
    try:
        data: bytes = environ["wsgi.input"].read(most)
    except Exception as error:  # each server has its own exceptions for a body that breaks off
        raise BadRequest("The body could not be read") from error
    if len(data) > MAX_BYTES:
        raise TooLarge(TOO_LARGE)
    if length is not None and len(data) < length:
        raise BadRequest("The body is shorter than Content-Length")
    return data


def parse(text: str) -> Any:
    """Return the value of a text of strict JSON. Raises BadRequest."""
    if text.count("[") + text.count("{") > MAX_DEPTH and _depth(text) > MAX_DEPTH:
        raise BadRequest("The body is nested too deeply")
    try:
        said = _STRICT.decode(text)
    except (ValueError, RecursionError) as error:
        raise BadRequest("The body is not valid JSON") from error
    if "\\u" in text:
        _no_lone_surrogates(said)
    return said


def _depth(text: str) -> int:
    return max(accumulate(map(_STEPS.__getitem__, _BRACKET.findall(_STRING.sub("", text)))), default=0)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("a name stands twice")
    return found


def _no_constant(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


def _finite(text: str) -> float:
    if (value := float(text)) in (float("inf"), float("-inf")):
        raise ValueError("a number is too large")
    return value


_STRICT = json.JSONDecoder(object_pairs_hook=_no_duplicates, parse_constant=_no_constant, parse_float=_finite)


def _no_lone_surrogates(said: Any) -> None:
    try:
        json.dumps(said, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise BadRequest("The body has an unpaired surrogate") from None
