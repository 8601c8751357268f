"""Parts of an operator's own that break their contract, each in the way that `WAY` names."""

import os
import time
from pathlib import Path

from otp_app.core.delivery import Delivery, Outcome

ERRORS = {
    "SystemExit": SystemExit(3),
    "KeyboardInterrupt": KeyboardInterrupt(),
    "GeneratorExit": GeneratorExit(),
    "RuntimeError": RuntimeError("the number +14155552671 and the code 123456"),
}
WRONG = {"an int": 14155552671, "nothing": None, "a text": "sent"}
WAY = os.environ.get("RUDE", "")


def act(here: str, way: str = "", wrong: object = None) -> object:
    """Break the contract as `RUDE=place:way` says, if this is the place; with `RUDE_FROM`, while that file is there."""
    place, _, named = WAY.partition(":")
    if place == here and Path(os.environ.get("RUDE_FROM", "/")).exists():
        if named == "hang":
            time.sleep(60)
        if named in ERRORS:
            raise ERRORS[named]
        return WRONG[named]
    return wrong


act("import")


class Part:
    """A channel, a directory or a store, by the methods that are called."""

    name, landlines = "rude", False

    def __init__(self, *_: object, **__: object) -> None:
        act("open")

    @classmethod
    def open(cls, parts: object) -> "Part":
        return cls()

    def deliver(self, message: object) -> object:
        return act("deliver", wrong=Delivery(Outcome.SENT))

    def phone(self, user_id: str) -> object:
        return act("phone", wrong="+14155552671")

    def ping(self) -> None:
        act("ping")

    def close(self) -> None:
        act("close")


def approved(approval: object) -> None:
    act("approved")


async def approved_later(approval: object) -> None:
    """It would never run."""
