"""Real servers on the stand-in for Twilio: one sends by WhatsApp as seed 003 does, one knows users as 001 does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple

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


class User(NamedTuple):
    """A line of the directory."""

    id: str
    number: str


@dataclass
class Users(Seed):
    """A server whose directory has abc, somebody without a number, and users of whom each test takes its own."""

    fresh: Iterator[User] = field(kw_only=True)

    def user(self) -> User:
        """The next user."""
        return next(self.fresh)

    def send_code(self, user_id: str) -> Answer:
        """Ask for a code."""
        return self.server.post("/send-code", {"user_id": user_id})

    def coded(self) -> tuple[User, str]:
        """A user and the code that it just got."""
        user = self.user()
        assert self.send_code(user.id).status == 200
        return user, self.provider.code(user.number)

    def verify_code(self, user_id: str, passcode: str) -> Answer:
        """Try a code."""
        return self.server.post("/verify-code", {"user_id": user_id, "passcode": passcode})


@contextmanager
def serving_users(folder: Path, **settings: str) -> Iterator[Users]:
    """A server with both faces and a directory, in a folder of its own. `settings`: see RunningServer."""
    known = [User(f"user{n}", number) for n, number in enumerate(islice(fresh_numbers(), 300))]
    lines = ["user_id,phone_number", "abc,+11111111111", "nophone,", *map(",".join, known)]
    (folder / "users.csv").write_text("\n".join(lines) + "\n", encoding="ascii")
    (folder / "offset").write_text("0", encoding="ascii")
    (folder / "wsgi.py").write_text("from tests.seeds.later import app\n\n__all__ = ['app']\n", encoding="ascii")
    settings = {
        "OTP_FACES": "native,users",
        "OTP_DIRECTORY_URL": f"file:///{folder}/users.csv",
        "CLOCK_OFFSET_FILE": str(folder / "offset"),
    } | settings
    with Provider() as provider, RunningServer(folder, provider.url, **settings) as server:
        yield Users(server, provider, folder / "offset", fresh=iter(known))
        provider.drain()
        assert provider.violations == []


@pytest.fixture(scope="module", params=["sqlite", "memory", "redis", "postgres"])
def users(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, new_store: Callable[[str], str]
) -> Iterator[Users]:
    """One server for all lines of a contract; each test has users of its own."""
    with serving_users(tmp_path_factory.mktemp("users"), store=new_store(request.param)) as users:
        yield users


@dataclass
class Phones(Seed):
    """A server with the native face and that of seed 004."""

    def register(self, number: str, headers: dict[str, str] | None = None) -> Answer:
        """Ask for a code and a session token."""
        return self.server.post("/api/phone/register", {"phone_number": number}, headers)

    def token(self, number: str) -> str:
        """Ask again, in a moment in which that is allowed; returns the new token."""
        answer = self.register(number)
        assert (answer.status, list(answer.json)) == (200, ["session_token"])
        return str(answer.json["session_token"])

    def registered(self) -> tuple[str, str, str]:
        """A number, the token and the code that it just got."""
        number = self.number()
        return number, self.token(number), self.provider.code(number)

    def check(self, number: str, token: str, code: str) -> Answer:
        """Try a code."""
        body = {"phone_number": number, "security_code": code, "session_token": token}
        return self.server.post("/api/phone/verify", body)


@contextmanager
def serving_phones(folder: Path, **settings: str) -> Iterator[Phones]:
    """A server with both faces, in a folder of its own. `settings`: see RunningServer."""
    (folder / "offset").write_text("0", encoding="ascii")
    (folder / "wsgi.py").write_text("from tests.seeds.later import app\n\n__all__ = ['app']\n", encoding="ascii")
    settings = {
        "OTP_FACES": "native,phone",
        "OTP_MESSAGES": '{"es": "Tu código es: {code}", "pt-BR": "Seu código é: {code}"}',
        "CLOCK_OFFSET_FILE": str(folder / "offset"),
    } | settings
    with Provider() as provider, RunningServer(folder, provider.url, **settings) as server:
        yield Phones(server, provider, folder / "offset")
        provider.drain()
        assert provider.violations == []


@pytest.fixture(scope="module", params=["sqlite", "memory", "redis", "postgres"])
def phones(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, new_store: Callable[[str], str]
) -> Iterator[Phones]:
    """One server for all lines of a contract; each test has numbers of its own."""
    with serving_phones(tmp_path_factory.mktemp("phones"), store=new_store(request.param)) as phones:
        yield phones
