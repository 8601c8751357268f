"""The fields of a request."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from otp_app.core.results import PURPOSE
from otp_app.core.tags import fault_of
from otp_app.web.body import BadRequest, Fields, document, read_object


class InboundFields(Fields, frozen=True, kw_only=True):
    """All of them may be missing. Without a number, that of whoever writes the word is learned."""

    phone_number: Annotated[str, Meta(min_length=1, max_length=64)] = ""
    purpose: Annotated[str, Meta(
        pattern=rf"\A{PURPOSE.pattern}\Z", description="1 to 32 of a-z, 0-9, _ and -, such as login",
    )] = ""
    tags: dict[str, str] = field(default_factory=dict)


def read() -> InboundFields:
    """Return the fields of the current request. Raises BadRequest, TooLarge, UnsupportedMedia."""
    fields = read_object(InboundFields, document())
    if fields.tags and (fault := fault_of(fields.tags)):
        raise BadRequest(fault)
    return fields
