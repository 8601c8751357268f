"""A real server on the stand-in for Twilio whose clock a test sets forward, and numbers that nobody has used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

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


@contextmanager
def serving(folder: Path, **settings: str) -> Iterator[tuple[RunningServer, Provider, Path]]:
    """A server whose clock goes forward by the seconds in a file, its provider and that file, all in the folder."""
    offset = folder / "offset"
    offset.write_text("0", encoding="ascii")
    (folder / "wsgi.py").write_text("from tests.later import app\n\n__all__ = ['app']\n", encoding="ascii")
    settings = {"CLOCK_OFFSET_FILE": str(offset)} | settings
    with Provider() as provider, RunningServer(folder, provider.url, **settings) as server:
        yield server, provider, offset
        assert provider.violations == []
