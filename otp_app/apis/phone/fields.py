"""The fields of the phone API's requests, from JSON or from a form of either kind, as the original takes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

from flask import request
from msgspec import Meta

from otp_app.core.errors import InvalidPhone
from otp_app.core.phone import spelling
from otp_app.web import body, form
from otp_app.web.body import BadRequest, Fault, Fields, Read, Unfit, UnsupportedMedia, document
from otp_app.web.client import Forbidden

#: How a body is read, by its media type, and what a fault of it is called.
READERS: dict[str, tuple[Callable[[], Any], str]] = {
    "application/json": (document, "JSON"),
    form.TYPE: (form.last_fields, "Form"),
    form.MULTIPART: (form.multipart_fields, "Multipart form"),
}


REQUIRED, BLANK, NULL = "This field is required.", "This field may not be blank.", "This field may not be null."
NO_TEXT, BAD_PHONE = "Not a valid string.", "Enter a valid phone number."
#: The words for a fault of a field by its kind; faults of a number may have other kinds.
WORDS = {"missing": REQUIRED, "string_too_short": BLANK}
NUMBER_OR_TEXT = ("session_token", "security_code")  # as the original takes them


def _spelled(text: str) -> str:
    try:
        return spelling(text)
    except InvalidPhone as error:
        raise ValueError from error


class RegisterFields(Fields, frozen=True, kw_only=True):
    """Where to send a code; the number is in E.164 once it is read."""

    phone_number: Annotated[str, Meta(min_length=1), Read(_spelled)]


class VerifyFields(RegisterFields, frozen=True, kw_only=True):
    """A code to check, and for which verification it is."""

    session_token: Annotated[str, Meta(min_length=1)]
    security_code: Annotated[str, Meta(min_length=1)]


class InvalidFields(Exception):
    """A body without the right fields; `faults` are lists of texts by field, in the words of the original."""

    def __init__(self, faults: dict[str, list[str]]) -> None:
        super().__init__("the body does not have the right fields")
        self.faults = faults


Body = TypeVar("Body", bound=RegisterFields)


def read(model: type[Body]) -> Body:
    """Return the fields of the current request, from JSON or a form.

    Raises InvalidFields, Forbidden, and what `document` raises.
    """
    said = _said()
    if not isinstance(said, dict):
        raise InvalidFields({"non_field_errors": [_no_object(said)]})
    given = {name: _text(name, value) for name, value in said.items()}
    try:
        return body.read(model, given)
    except Unfit as error:
        raise InvalidFields({fault.field: [_words(fault, given)] for fault in error.faults}) from None


def _said() -> Any:
    media = media_type()
    if media not in READERS:
        raise UnsupportedMedia("Content-Type must be application/json or that of a form")
    if media != "application/json" and form.from_another_site(request.environ):
        raise Forbidden("A page of another site may not post a form here")
    parse, kind = READERS[media]
    try:
        return parse()
    except BadRequest as error:
        raise BadRequest(f"{kind} parse error - {error}") from None


def _text(name: str, value: object) -> object:
    """Return a text without blanks around it, and a number as its digits where the original takes one for a text.

    A JSON number that lost its zeros stays without.
    """
    if isinstance(value, str):
        return value.strip()
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number and name in NUMBER_OR_TEXT else value


def _no_object(said: object) -> str:
    if said is None:
        return "No data provided"
    return f"Invalid data. Expected a dictionary, but got {type(said).__name__}."


def _words(fault: Fault, given: Mapping[str, object]) -> str:
    if fault.field in given and given[fault.field] is None:
        return NULL
    return WORDS.get(fault.kind, BAD_PHONE if fault.field == "phone_number" else NO_TEXT)


def media_type() -> str:
    """Return the media type of the current request without its parameters, in small letters."""
    return str(request.environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower()
