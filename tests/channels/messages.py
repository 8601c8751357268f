"""A message, its recipient, and the account that sends it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

from otp_app.channels.twilio.client import TwilioClient
from otp_app.core.delivery import Delivery, Message, Outcome, Reason

ACCOUNT = "AC" + "0" * 32
SERVICE, TEMPLATE = "MG" + "3" * 32, "HX" + "2" * 32
NUMBER, SANDBOX = "+15005550006", "whatsapp:+14155238886"
RECIPIENT, CODE = "+14155552671", "493817"

UNKNOWN = Delivery(Outcome.UNKNOWN)
UNREACHABLE = Delivery(Outcome.REFUSED, reason=Reason.UNREACHABLE)


def message(to: str = RECIPIENT, ttl: float = 300.0) -> Message:
    return Message(to, CODE, f"Your OTP is: {CODE}", ttl, "VL" + "0" * 32, "VE" + "0" * 32)


def send(client: TwilioClient, **fields: Any) -> Delivery:
    return client.send(message(), {"To": RECIPIENT, "From": NUMBER, "Body": f"Your OTP is: {CODE}", **fields})


def sent(delivery: Delivery) -> bool:
    return delivery.outcome is Outcome.SENT


class Clock:
    """A clock that stands still until somebody sleeps or moves it."""

    def __init__(self) -> None:
        self.now, self.sleeps = 1000.0, list[float]()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds


class Stepping(socket.socket):
    """A socket on which each write and read takes a second of a clock, and a read brings 40 bytes.

    `limits` has the limit of each.
    """

    def __init__(self, sock: socket.socket, clock: Clock, limits: list[float]) -> None:
        super().__init__(fileno=sock.detach())
        self.clock, self.limits = clock, limits

    def settimeout(self, seconds: float | None) -> None:
        self.limits.append(seconds or 0.0)
        super().settimeout(seconds)

    def sendall(self, data: bytes) -> None:
        self.clock.sleep(1.0)
        super().sendall(data)

    def recv(self, _: int) -> bytes:
        self.clock.sleep(1.0)
        return super().recv(40)

    def recv_into(self, buffer: Any) -> int:
        self.clock.sleep(1.0)
        return super().recv_into(buffer, 40)


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait, two seconds at most, for something that another thread does."""
    end = time.monotonic() + 2
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)
