"""What the request at hand works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, cast

from flask import current_app, g

from otp_app.wiring import Services

State = TypeVar("State")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks."""

    name: str  # of the API key or account; "" without one
    address: str  # of the client, an IPv6 one cut to its /64
    scopes: frozenset[str] = frozenset()
    account: str = ""  # AC…, where Basic credentials were shown

    @property
    def authenticated(self) -> bool:
        """Whether an API key, or credentials of an account, were shown and known."""
        return bool(self.name)

    @property
    def scope(self) -> str:
        """Who asks, as one text: no key, account or address has that of another kind, whatever they are named."""
        if not self.authenticated:
            return f"address:{self.address}"
        return f"account:{self.name}" if self.account else f"key:{self.name}"


def services() -> Services:
    """The parts of this server."""
    return cast("Services", current_app.extensions["otp"])


def state(kind: type[State]) -> State:
    """Return what the views of an API work with, by its class: see api.Api."""
    return cast("State", current_app.extensions["otp_states"][kind])


def caller() -> Caller:
    """Who asks; set by guard before any view runs."""
    return cast("Caller", g.caller)
