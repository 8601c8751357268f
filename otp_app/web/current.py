"""What the request at hand works with."""

from __future__ import annotations

from typing import TypeVar, cast

from flask import current_app, g

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
