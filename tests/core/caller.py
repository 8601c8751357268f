"""A caller that sends under idempotency keys."""

from __future__ import annotations

from typing import Any

from otp_app.core.idempotency import IdempotentSends, Key
from otp_app.core.results import SendRequest, SendResult
from tests.core.fakes import PHONE, World

KEY = Key("client", "key-1", "send +14155552671")


class Dead(BaseException):
    """The process was killed here."""


class Caller:
    """Sends under idempotency keys, each time in a fresh process unless one is given."""

    def __init__(self, world: World) -> None:
        self.world = world

    def send(self, key: Key = KEY, phone: str = PHONE, process: IdempotentSends | None = None) -> SendResult:
        sends = process or IdempotentSends(self.world.store, self.world.clock)
        return sends.once(key, lambda begun: self.world.service().send(phone, SendRequest(), begun))


def die(*_: Any) -> None:
    """Kill the process here."""
    raise Dead
