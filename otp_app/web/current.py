"""What the request at hand works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from flask import current_app, g

from otp_app.wiring import Services


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks."""

    name: str  # of the API key; "" without one
    address: str  # of the client, an IPv6 one cut to its /64
    scopes: frozenset[str] = frozenset()

    @property
    def keyed(self) -> bool:
        """Whether an API key was shown."""
        return bool(self.name)


def services() -> Services:
    """The parts of this server."""
    return cast("Services", current_app.extensions["otp"])


def caller() -> Caller:
    """Who asks; set by guard before any view runs."""
    return cast("Caller", g.caller)
