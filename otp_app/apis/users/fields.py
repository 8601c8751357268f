"""The fields of the users API's requests, and what is wrong with a body, as FastAPI says it."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from msgspec import Meta

from otp_app.apis.users.user_id import user_id as spelled
from otp_app.core.codes import LONGEST_TYPED, as_typed
from otp_app.web import body
from otp_app.web.body import BadRequest, Fault, Fields, Read, Unfit, document

NO_JSON = Fault("", "json_invalid", "JSON decode error")


def _code(text: str) -> str:
    if code := as_typed(text):
        return code
    raise ValueError("Write the 4 to 10 digits of the code")


class UserFields(Fields, frozen=True, kw_only=True):
    """The user whom a code is for."""

    user_id: Annotated[str, Meta(min_length=1, max_length=256), Read(spelled)]


class CheckFields(UserFields, frozen=True, kw_only=True):
    """A code to check."""

    passcode: Annotated[str, Meta(max_length=LONGEST_TYPED), Read(_code)]


class Unprocessable(Exception):
    """A body without the right fields; `faults` are in FastAPI's shape."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("the body does not have the right fields")
        self.faults: list[dict[str, Any]] = [
            {"type": fault.kind, "loc": ["body", fault.field] if fault.field else ["body"], "msg": fault.message}
            for fault in faults
        ]


Body = TypeVar("Body", bound=UserFields)


def read(model: type[Body]) -> Body:
    """Return the fields of the current request. Raises Unprocessable, TooLarge, UnsupportedMedia."""
    try:
        return body.read(model, document())
    except BadRequest:
        raise Unprocessable([NO_JSON]) from None
    except Unfit as error:
        raise Unprocessable(error.faults) from None
