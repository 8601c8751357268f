"""Messages: where they go, and what they say. Each is a JSON object; fields that nobody knows are ignored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from otp_app.bus.errors import Dead

EXCHANGE = "verification"
LONGEST_ID = 100  # characters
LONGEST_BODY = 8192  # bytes


class Route(NamedTuple):
    """A queue, and the routing key that leads to it."""

    queue: str
    key: str


REQUESTS = Route("otp_queue", "otp_routing_key")  # codes that are asked for
SENT = Route("auth_service_queue", "otp_to_auth")  # codes that were sent
DEAD = Route("dead_letter_queue", "dead_letter")  # what could not be done, and why: nobody here reads it
ROUTES = (REQUESTS, SENT, DEAD)


@dataclass(frozen=True)
class Letter:
    """One message. `id` is the same for each copy of it; "": its sender gave none."""

    id: str
    at: int | None  # when it was written, seconds since the epoch; None: its sender did not say
    body: bytes
    again: bool = False  # it was handed to a worker before, which did not say what became of it

    @classmethod
    def of(cls, letter_id: str, at: float, fields: Mapping[str, Any]) -> Letter:
        """Return a message with these fields."""
        return cls(letter_id, int(at), json.dumps(fields).encode())

    @cached_property
    def fields(self) -> Mapping[str, Any]:
        """The fields. Raises Dead."""
        try:
            found = json.loads(self.body) if len(self.body) <= LONGEST_BODY else None
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise Dead("unreadable")
        return found

    def text(self, name: str) -> str:
        """Return a field that must be a text. Raises Dead."""
        if not isinstance(value := self.fields.get(name), str):
            raise Dead("unreadable")
        return value
