"""A message, its recipient, and the account that sends it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from otp_app.channels.twilio_client import TwilioClient
from otp_app.core.interfaces import Delivery, Message

ACCOUNT = "AC" + "0" * 32
SERVICE, TEMPLATE = "MG" + "3" * 32, "HX" + "2" * 32
NUMBER, SANDBOX = "+15005550006", "whatsapp:+14155238886"
RECIPIENT, CODE = "+14155552671", "493817"


def message(to: str = RECIPIENT, ttl: float = 300.0) -> Message:
    """A message with a code in it."""
    return Message(to, CODE, f"Your OTP is: {CODE}", ttl, "VL" + "0" * 32)


def send(client: TwilioClient, **fields: Any) -> Delivery:
    """Hand a text message over to a client."""
    return client.send(300.0, **{"to": RECIPIENT, "from_": NUMBER, "body": f"Your OTP is: {CODE}", **fields})


class Clock:
    """A clock that stands still until somebody sleeps or moves it."""

    def __init__(self) -> None:
        self.now, self.sleeps = 1000.0, list[float]()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Move on at once."""
        self.sleeps.append(seconds)
        self.now += seconds


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait, two seconds at most, for something that another thread does."""
    end = time.monotonic() + 2
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)
