"""A whole server in this process, and what a test holds of its surroundings: the clock, the channel, the caller."""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Callable
from typing import Any

from werkzeug.test import TestResponse

from otp_app.core.delivery import Delivery, Message, Outcome
from otp_app.core.instant import Instant
from otp_app.serving.app import create_app
from otp_app.wiring import build
from tests.configuration import make_settings
from tests.phones import fresh_numbers

BASE_URL = "http://127.0.0.1:5000"
SETTINGS = {"otp_store_url": "memory://", "otp_channels": "tests.web.site:RecordingChannel"}


class RecordingChannel:
    """Keeps each message. It took every one, unless `answers` has other answers, one for each."""

    name = "sms"
    landlines = False

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.answers: deque[Delivery] = deque()
        self.before: Callable[[], object] = lambda: None
        self.ping_raises: Exception | None = None

    @classmethod
    def open(cls, _: Any) -> RecordingChannel:
        return cls()

    def deliver(self, message: Message) -> Delivery:
        self.before()
        self.messages.append(message)
        return self.answers.popleft() if self.answers else Delivery(Outcome.SENT, f"SM{len(self.messages)}")

    def ping(self) -> None:
        if self.ping_raises:
            raise self.ping_raises

    def close(self) -> None:
        pass


class OtherChannel(RecordingChannel):
    """A second way out."""

    name = "whatsapp"
    landlines = True


class FakeClock:
    """A clock that stands still until a test moves it on."""

    def __init__(self) -> None:
        self.seconds = 1_750_000_000.0

    def __call__(self) -> Instant:
        return Instant(self.seconds, "boot", self.seconds - 1_700_000_000)

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


class Site:
    """A server over real services. `given` are settings by attribute, as text or as values."""

    def __init__(self, **given: Any) -> None:
        self.clock = FakeClock()
        self.services = build(make_settings(**SETTINGS | given), self.clock)
        self.app = create_app(services=self.services)
        channel = self.services.channels[0]
        self.channel: Any = getattr(channel, "_plugin", channel)  # without the guard around one of a test's own
        self._numbers = fresh_numbers()
        for state in self.app.extensions["otp_states"].values():
            if polls := getattr(state, "polls", None):
                polls.pause = self.clock.advance  # whoever waits for news lets time pass

    def number(self) -> str:
        return next(self._numbers)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        key: str = "",
        **environ: Any,
    ) -> TestResponse:
        """One request from 127.0.0.1. bytes go as they are, anything else as JSON; `environ`: WSGI variables."""
        how: dict[str, Any] = {"data": body} if isinstance(body, bytes) else {"json": body} if body is not None else {}
        if key:
            headers = {"Authorization": f"Bearer {key}", **(headers or {})}
        return self.app.test_client().open(
            path, method=method, base_url=BASE_URL, headers=headers, environ_overrides=environ, **how
        )

    def post(self, path: str, body: Any, **how: Any) -> TestResponse:
        return self.call("POST", path, body, **how)

    def send(self, number: str | None = None, **how: Any) -> TestResponse:
        return self.post("/send-otp", {"phone_number": number or self.number()}, **how)

    def verify(self, number: str, otp: str | None = None, **how: Any) -> TestResponse:
        """Try a code, the right one if none is given."""
        return self.post("/verify-otp", {"phone_number": number, "otp": otp or self.code()}, **how)

    def code(self) -> str:
        return str(self.channel.messages[-1].code)

    def close(self) -> None:
        self.services.close()


def wrong(code: str) -> str:
    """A code of the same length that is not this one."""
    return re.sub(r"\d$", lambda last: str((int(last[0]) + 1) % 10), code)


def api_key(name: str, scopes: str, secret: str) -> str:
    return f"{name}:{scopes}:{hashlib.sha256(secret.encode()).hexdigest()}"
