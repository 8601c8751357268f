"""A real server that sends by WhatsApp to the stand-in for Twilio, as seed 003 does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.phones import fresh_numbers
from tests.provider import Provider
from tests.running import Answer, RunningServer


@dataclass
class Seed:
    """The running server, its provider, and numbers that nobody has used."""

    server: RunningServer
    provider: Provider
    offset: Path
    numbers: Iterator[str] = field(default_factory=fresh_numbers)

    def number(self) -> str:
        """The next number."""
        return next(self.numbers)

    def sent(self) -> tuple[str, str]:
        """A number and the code that it just got."""
        number = self.number()
        assert self.server.post("/send-otp", {"phone_number": number}).status == 200
        return number, self.provider.code(number)

    def verify(self, number: str, code: str) -> Answer:
        """Try a code."""
        return self.server.post("/verify-otp", {"phone_number": number, "otp": code})

    def wait(self, seconds: float) -> None:
        """Set the server's clock forward."""
        self.offset.write_text(str(float(self.offset.read_text()) + seconds), encoding="ascii")


@pytest.fixture(scope="module", params=["sqlite", "memory", "redis", "postgres"])
def seed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, new_store: Callable[[str], str]
) -> Iterator[Seed]:
    """One server for all lines of a contract; each test has numbers of its own."""
    folder = tmp_path_factory.mktemp("seed")
    offset = folder / "offset"
    offset.write_text("0", encoding="ascii")
    (folder / "wsgi.py").write_text("from tests.seeds.later import app\n\n__all__ = ['app']\n", encoding="ascii")
    settings = {
        "OTP_CHANNELS": "whatsapp",
        "TWILIO_WHATSAPP_NUMBER": "whatsapp:+14155238886",
        "CLOCK_OFFSET_FILE": str(offset),
    }
    store = new_store(request.param)
    with Provider() as provider, RunningServer(folder, provider.url, store=store, **settings) as server:
        yield Seed(server, provider, offset)
        provider.drain()
        assert provider.violations == []
