"""What the request at hand works with."""

from __future__ import annotations

from typing import TypeVar, cast

from flask import current_app, g, request

from otp_app.core.ledger import Origin
from otp_app.web.client import Caller
from otp_app.wiring import Services

State = TypeVar("State")


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
