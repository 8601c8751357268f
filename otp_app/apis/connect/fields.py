"""The fields of requests, and who sends them."""

from __future__ import annotations

from typing import Protocol

from otp_app.core.errors import InvalidInput
from otp_app.core.results import SendRequest
from otp_app.web.client import Forbidden
from otp_app.web.current import caller, origin

CODE_SENT = "OTP sent"


class HasNumber(Protocol):
    """A message with a phone number; "": none was given."""

    phone_number: str


def number_in(request: HasNumber) -> str:
    """Return the phone number of a request. Raises InvalidInput."""
    if not request.phone_number:
        raise InvalidInput("phone number required")
    return request.phone_number


def how_to_send() -> SendRequest:
    """Return the choices of a send: a user with a session has no more messages than anybody else."""
    return SendRequest(authenticated=caller().authenticated and not caller().is_person, origin=origin("connect"))


def may_check() -> None:
    """Raise Forbidden where a key is shown that may send and not check."""
    if caller().authenticated and "verify" not in caller().scopes:
        raise Forbidden("This API key may not do that")
