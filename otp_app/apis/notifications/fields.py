"""The fields of requests."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from msgspec import Meta, field

from otp_app.core.texts import LOCALE
from otp_app.web import body
from otp_app.web.body import BadRequest, Fields, Unfit, document

MOST_RECIPIENTS = 500
LOCALE_TAG = Meta(pattern=rf"\A{LOCALE.pattern}\Z", description="a language tag, such as pt-BR")


class RecipientFields(Fields, frozen=True, kw_only=True):
    """What each recipient of a batch has."""

    phone_number: Annotated[str, Meta(min_length=1, max_length=64)]
    variables: dict[str, str] = field(default_factory=dict)
    locale: Annotated[str, LOCALE_TAG] = ""


class NotificationFields(RecipientFields, frozen=True, kw_only=True):
    """What a single notification has."""

    template: Annotated[str, Meta(min_length=1, max_length=40)]
    channel: Annotated[str, Meta(min_length=1, max_length=32)] = ""


class BatchFields(Fields, frozen=True, kw_only=True):
    """What a batch has beside its recipients."""

    template: Annotated[str, Meta(min_length=1, max_length=40)]
    channel: Annotated[str, Meta(min_length=1, max_length=32)] = ""
    locale: Annotated[str, LOCALE_TAG] = ""  # of recipients without one of their own


Body = TypeVar("Body", bound=Fields)


def read(model: type[Body], said: Any) -> Body:
    """Return the fields of a JSON value. Raises BadRequest."""
    if not isinstance(said, dict):
        raise BadRequest("The body must be a JSON object")
    try:
        return body.read(model, said)
    except Unfit as error:
        raise BadRequest(f"{error.faults[0].field}: {error.faults[0].message}") from None


def single() -> NotificationFields:
    """Return the fields of the current request. Raises BadRequest, TooLarge, UnsupportedMedia."""
    return read(NotificationFields, document())
