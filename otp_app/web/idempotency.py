"""The header Idempotency-Key: a repeated request sends nothing and gets the first answer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from flask import request
from msgspec.structs import asdict

from otp_app.core.idempotency import Key
from otp_app.core.results import SendResult
from otp_app.core.service import BeforeDelivery
from otp_app.web.body import BadRequest, Fields
from otp_app.web.current import caller, services

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
#: Fields that older versions lack: a request without them is the same one to each version. Every new one belongs here.
_NEWER = ("app_hash", "tags")


def once(fields: Fields, send: Callable[[BeforeDelivery | None], SendResult]) -> SendResult:
    """Send, at most once for the request's Idempotency-Key where it has one."""
    if "HTTP_IDEMPOTENCY_KEY" not in request.environ:  # most have none, and need no fields for it
        return send(None)
    said = {name: value for name, value in asdict(fields).items() if value or name not in _NEWER}
    key = given(said)
    return services().idempotent.once(key, send) if key else send(None)


def given(said: object) -> Key | None:
    """Return the key of the current request, whose body says this; None where it has none. Raises BadRequest."""
    said = asdict(said) if isinstance(said, Fields) else said
    text: str | None = request.environ.get("HTTP_IDEMPOTENCY_KEY")
    if text is None:
        return None
    if not _KEY.fullmatch(text):
        raise BadRequest("Idempotency-Key must be 1 to 255 visible ASCII characters")
    return Key(caller().scope, text, json.dumps([request.path, said]))
