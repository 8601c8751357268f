"""What the request at hand works with: the parts of this server, who asks, and the header Idempotency-Key."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TypeVar, cast

from flask import current_app, g, request
from msgspec.structs import asdict

from otp_app.core.idempotency import Key
from otp_app.core.ledger import Origin
from otp_app.core.results import SendResult
from otp_app.core.service import BeforeDelivery
from otp_app.web.body import BadRequest, Fields
from otp_app.web.client import Caller
from otp_app.wiring import Services

State = TypeVar("State")

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
#: Fields that older versions lack: a request without them is the same one to each version. Every new one belongs here.
_NEWER = ("app_hash", "tags")


def services() -> Services:
    """The parts of this server."""
    return cast("Services", current_app.extensions["otp"])


def state(kind: type[State]) -> State:
    """Return what the views of an API work with, by its class: see api.Api."""
    return cast("State", current_app.extensions["otp_states"][kind])


def caller() -> Caller:
    """Who asks; set by guard before any view runs."""
    return cast("Caller", g.caller)


def origin(api: str) -> Origin:
    """Return who asks this API for a verification or a notification, as the history shows it; a user has no name."""
    who = caller()
    return Origin(api, "" if who.is_person else who.name)


def scheme() -> str:
    """How the client reaches this server, "http" or "https".

    A proxy that ends TLS says so in X-Forwarded-Proto, the first one first. That affects only what its client reads.
    """
    said = request.headers.get("X-Forwarded-Proto", "").partition(",")[0].strip(" ")
    return "https" if said == "https" else request.scheme


def once(fields: Fields, send: Callable[[BeforeDelivery | None], SendResult]) -> SendResult:
    """Send, at most once for the request's Idempotency-Key where it has one: a repeated request gets the first answer.

    Raises BadRequest.
    """
    if "HTTP_IDEMPOTENCY_KEY" not in request.environ:  # most have none, and need no fields for it
        return send(None)
    said = {name: value for name, value in asdict(fields).items() if value or name not in _NEWER}
    key = idempotency_key(said)
    return services().idempotent.once(key, send) if key else send(None)


def idempotency_key(said: object) -> Key | None:
    """Return the key of the current request, whose body says this; None where it has none. Raises BadRequest."""
    said = asdict(said) if isinstance(said, Fields) else said
    text: str | None = request.environ.get("HTTP_IDEMPOTENCY_KEY")
    if text is None:
        return None
    if not _KEY.fullmatch(text):
        raise BadRequest("Idempotency-Key must be 1 to 255 visible ASCII characters")
    return Key(caller().scope, text, json.dumps([request.path, said]))
