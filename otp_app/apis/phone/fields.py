"""The fields of the phone API's requests, from JSON or from a form of either kind, as the original takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from flask import request
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from otp_app.core.errors import InvalidPhone
from otp_app.core.phone import spelling
from otp_app.web import form
from otp_app.web.body import BadRequest, UnsupportedMedia, document
from otp_app.web.guard import Forbidden

#: How a body is read, by its media type, and what a fault of it is called.
READERS: dict[str, tuple[Callable[[], Any], str]] = {
    "application/json": (document, "JSON"),
    form.TYPE: (form.last_fields, "Form"),
    form.MULTIPART: (form.multipart_fields, "Multipart form"),
}


def _spelled(text: str) -> str:
    try:
        return spelling(text)
    except InvalidPhone as error:
        raise ValueError from error


def _written(value: object) -> object:
    """Return a JSON number as its digits: the original takes one for a text. One that lost its zeros stays without."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Text = Annotated[str, Field(min_length=1)]
TextOrNumber = Annotated[Text, BeforeValidator(_written)]


class RegisterFields(BaseModel):
    """Where to send a code; the number is in E.164 once it is read."""

    model_config = ConfigDict(
        strict=True, extra="ignore", str_strip_whitespace=True, hide_input_in_errors=True, frozen=True
    )

    phone_number: Annotated[Text, AfterValidator(_spelled)]


class VerifyFields(RegisterFields):
    """A guess at the code, and for which verification it is."""

    session_token: TextOrNumber
    security_code: TextOrNumber


Model = TypeVar("Model", bound=RegisterFields)


def read(model: type[Model]) -> Model:
    """Return the fields of the request at hand, from JSON or a form.

    Raises pydantic's ValidationError, Forbidden, and what `document` raises.
    """
    media = media_type()
    if media not in READERS:
        raise UnsupportedMedia("Content-Type must be application/json or that of a form")
    if media != "application/json" and form.from_another_site(request.environ):
        raise Forbidden("A page of another site may not post a form here")
    parse, kind = READERS[media]
    try:
        said = parse()
    except BadRequest as error:
        raise BadRequest(f"{kind} parse error - {error}") from None
    return model.model_validate(said)


def media_type() -> str:
    """Return the media type of the request at hand without its parameters, in small letters."""
    return str(request.environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower()
