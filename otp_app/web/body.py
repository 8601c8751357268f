"""The body of a request: strict JSON, and its fields. A fault has nothing of the body in it.

A msgspec Struct names the fields, and where a body does not fit, every fault is found. Faults have the kinds and words
that clients of FastAPI know.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from threading import Lock
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, Union, get_args, get_origin

import msgspec
from flask import request
from msgspec import Meta, Struct
from msgspec.structs import FieldInfo, fields, replace

from otp_app.core.errors import InvalidInput

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MAX_BYTES = 8192
MAX_DEPTH = 32
TOO_LARGE = "The body must not be larger than {} bytes"
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


def document(most: int = MAX_BYTES) -> Any:
    """Return the JSON value of the current request's body. Raises BadRequest, TooLarge, UnsupportedMedia."""
    return parse(text_of(content(_JSON_TYPE, "application/json", most=most)))


def text_of(data: bytes) -> str:
    """Return the text of a body. Raises BadRequest."""
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError:
        raise BadRequest("The body must be UTF-8") from None


def content(media: re.Pattern[str], name: str, *, may_be_gzip: bool = False, most: int = MAX_BYTES) -> bytes:
    """Return the bytes of the current request's body, which must have this media type. Raises as `document` does."""
    environ = request.environ
    if not media.fullmatch(environ.get("CONTENT_TYPE", "")):
        raise UnsupportedMedia(f"Content-Type must be {name}")
    match environ.get("HTTP_CONTENT_ENCODING", "identity").lower():
        case "identity":
            return _bytes(environ, most)
        case "gzip" if may_be_gzip:
            return _unpacked(_bytes(environ))
    raise UnsupportedMedia("Content-Encoding is not supported")


def raw(most: int) -> bytes:
    """Return the bytes of the current request's body, of any media type, `most` of them at most.

    Raises BadRequest, TooLarge.
    """
    return _bytes(request.environ, most)


def _unpacked(data: bytes) -> bytes:
    """Return what gzip has packed, and no more of it than a body may have."""
    unpacking = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        found = unpacking.decompress(data, MAX_BYTES + 1)
    except zlib.error:
        raise BadRequest("The body is not gzip") from None
    if len(found) > MAX_BYTES:
        raise TooLarge(TOO_LARGE.format(MAX_BYTES))
    if not unpacking.eof or unpacking.unused_data:
        raise BadRequest("The body is not gzip")
    return found


def _bytes(environ: WSGIEnvironment, most: int = MAX_BYTES) -> bytes:
    """Read as much as Content-Length says, or a chunked body to its end. A truncated body is rejected."""
    text = environ.get("CONTENT_LENGTH") or ""
    length = int(text.lstrip("0")[:20] or 0) if text.isdecimal() else None  # Python reads no number of 4,300 digits
    wanted = most + 1 if length is None and environ.get("wsgi.input_terminated") else length or 0
    if length is not None and length > most:
        raise TooLarge(TOO_LARGE.format(most))
    try:
        data: bytes = environ["wsgi.input"].read(wanted)
    except Exception as error:  # each server has its own exceptions for a body that breaks off
        raise BadRequest("The body could not be read") from error
    if len(data) > most:
        raise TooLarge(TOO_LARGE.format(most))
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
        raise ValueError("a name appears twice")
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


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a field; `field` is "" for the body as a whole."""

    field: str
    kind: str
    message: str


class Unfit(Exception):
    """A body without the right fields."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("the body does not have the right fields")
        self.faults = faults


class Fields(Struct, frozen=True, kw_only=True):
    r"""The base of bodies. A field is an object of texts, or a text, or a text or null, with what it must be:
    `Annotated[str, Meta(…)]`.

    Other fields of a body are ignored. A pattern ends with `\Z` (`$` would take a line break before the end) and has a
    description, which says what to write.
    """


@dataclass(frozen=True, slots=True)
class Read:
    """In the type of a field: makes its value of a text that fits, or raises ValueError with words for the client."""

    make: Callable[[str], str]


Body = TypeVar("Body", bound=Fields)
NO_OBJECT = Fault("", "model_attributes_type", "Input should be a valid dictionary or object to extract fields from")


def read(model: type[Body], said: object) -> Body:
    """Return the fields of a body. Raises Unfit."""
    if not isinstance(said, dict):
        raise Unfit([NO_OBJECT])
    if model not in _learned:
        _learn(model)
    try:
        found = msgspec.convert(said, model)
        made = {name: make(getattr(found, name)) for name, make in _readers(model)}
    except ValueError:  # msgspec's own is of the first fault alone
        raise Unfit([fault for field in _fields(model) if (fault := _fault(field, said))]) from None
    return replace(found, **made) if made else found


def read_object(model: type[Body], said: object) -> Body:
    """Return the fields of a body. Raises BadRequest, which names the first fault."""
    try:
        return read(model, said)
    except Unfit as error:
        first = error.faults[0]
    raise BadRequest("The body must be a JSON object" if first is NO_OBJECT else f"{first.field}: {first.message}")


_learned: set[type[Fields]] = set()
_learning = Lock()


def _learn(model: type[Fields]) -> None:
    """Let one thread alone use a model first: msgspec 0.22 ends the process (SIGSEGV) where several do at once."""
    with _learning:
        with suppress(ValueError):
            msgspec.convert({}, model)
        _learned.add(model)


@cache
def _fields(model: type[Fields]) -> tuple[FieldInfo, ...]:
    return fields(model)  # which resolves annotations anew each time


@cache
def _readers(model: type[Fields]) -> tuple[tuple[str, Callable[[str], str]], ...]:
    rules = ((field.name, rule) for field in _fields(model) for rule in _rules(field))
    return tuple((name, rule.make) for name, rule in rules if isinstance(rule, Read))


def _rules(field: FieldInfo) -> tuple[Meta | Read, ...]:
    text = get_args(field.type)[0] if _may_be_null(field) else field.type
    return get_args(text)[1:]


def _may_be_null(field: FieldInfo) -> bool:
    return get_origin(field.type) is Union


def _fault(field: FieldInfo, said: Mapping[str, object]) -> Fault | None:
    if field.name not in said:
        return Fault(field.name, "missing", "Field required") if field.required else None
    value = said[field.name]
    if value is None and _may_be_null(field):
        return None
    if get_origin(field.type) is dict:
        fits = isinstance(value, dict) and all(isinstance(text, str) for text in value.values())
        return None if fits else Fault(field.name, "dict_type", "Input should be an object of strings")
    if not isinstance(value, str):
        return Fault(field.name, "string_type", "Input should be a valid string")
    wrong = next(filter(None, (_wrong(rule, value) for rule in _rules(field))), None)
    return Fault(field.name, *wrong) if wrong else None


def _wrong(rule: Meta | Read, text: str) -> tuple[str, str] | None:
    """Return the kind and the words of a fault where a text breaks a rule."""
    if isinstance(rule, Read):
        return _unread(rule, text)
    if rule.min_length is not None and len(text) < rule.min_length:
        return "string_too_short", f"String should have at least {_characters(rule.min_length)}"
    if rule.max_length is not None and len(text) > rule.max_length:
        return "string_too_long", f"String should have at most {_characters(rule.max_length)}"
    if rule.pattern is not None and not re.search(rule.pattern, text):
        return "string_pattern_mismatch", f"write {rule.description}"
    return None


def _unread(rule: Read, text: str) -> tuple[str, str] | None:
    try:
        rule.make(text)
    except ValueError as error:
        return "value_error", f"Value error, {error}"
    return None


def _characters(count: int) -> str:
    return f"{count} character{'s' * (count != 1)}"
