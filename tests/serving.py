"""A real server on the stand-in for Twilio whose clock a test sets forward, and numbers that nobody has used."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import require
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

    def curl(self, line: str, code: str = "", token: str = "", where: str = "127.0.0.1:5000") -> Any:
        """The answer to a line for a shell, as it stands there but for the code, the token and the port."""
        require("curl")
        line = line.replace(where, f"127.0.0.1:{self.server.port}").replace("123456", code or "123456")
        line = line.replace("SESSION_TOKEN", token)
        return json.loads(subprocess.run(["sh", "-c", line], capture_output=True, check=True, timeout=60).stdout)

    def assert_nothing_is_logged(self) -> None:
        """No code or number of all that was sent, and nothing of what the provider said."""
        log = self.server.log()
        assert '"message": "Sent"' in log
        digits = set(re.findall(r"(?<![0-9a-f.])[0-9]{6}(?![0-9a-f])", log))
        assert {post.code for post in self.provider.posts} & digits == set()
        assert not [post.number for post in self.provider.posts if post.number.removeprefix("+") in log]
        assert "secret words" not in log

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
