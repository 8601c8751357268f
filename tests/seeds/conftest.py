"""Real servers on the stand-in for Twilio: one sends by WhatsApp as seed 003 does, one knows users as 001 does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.phones import fresh_numbers
from tests.provider import Provider
from tests.running import Answer, RunningServer
from tests.web.house import House


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
    (folder / "wsgi.py").write_text("from tests.seeds.later import app\n\n__all__ = ['app']\n", encoding="ascii")
    settings = {"CLOCK_OFFSET_FILE": str(offset)} | settings
    with Provider() as provider, RunningServer(folder, provider.url, **settings) as server:
        yield server, provider, offset
        provider.drain()
        assert provider.violations == []


@pytest.fixture(scope="module", params=["sqlite", "memory", "redis", "postgres"])
def seed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, new_store: Callable[[str], str]
) -> Iterator[Seed]:
    """One server for all lines of a contract; each test has numbers of its own."""
    settings = {"OTP_CHANNELS": "whatsapp", "TWILIO_WHATSAPP_NUMBER": "whatsapp:+14155238886"}
    with serving(tmp_path_factory.mktemp("seed"), store=new_store(request.param), **settings) as served:
        yield Seed(*served)


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
    settings = {"OTP_APIS": "native,users", "OTP_DIRECTORY_URL": f"file:///{folder}/users.csv"} | settings
    with serving(folder, **settings) as served:
        yield Users(*served, fresh=iter(known))


@pytest.fixture(scope="module", params=["sqlite", "memory", "redis", "postgres"])
def users(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, new_store: Callable[[str], str]
) -> Iterator[Users]:
    """One server for all lines of a contract; each test has users of its own."""
    with serving_users(tmp_path_factory.mktemp("users"), store=new_store(request.param)) as users:
        yield users


class PhoneCalls:
    """What callers of the face of seed 004 do, over a server's `ask`, `number` and `code_of`."""

    def register(self, number: str, headers: dict[str, str] | None = None) -> Answer:
        """Ask for a code and a session token."""
        return self.ask("/api/phone/register", {"phone_number": number}, headers)

    def token(self, number: str) -> str:
        """Ask again, in a moment in which that is allowed; returns the new token."""
        answer = self.register(number)
        assert (answer.status, list(answer.json)) == (200, ["session_token"])
        return str(answer.json["session_token"])

    def registered(self, number: str = "") -> tuple[str, str, str]:
        """A number, by default the next one, the token and the code that it just got."""
        number = number or self.number()
        return number, self.token(number), self.code_of(number)

    def check(self, number: str, token: str, code: str) -> Answer:
        """Try a code."""
        body = {"phone_number": number, "security_code": code, "session_token": token}
        return self.ask("/api/phone/verify", body)


class Phones(PhoneCalls, Seed):
    """A server with the native face and that of seed 004."""

    def ask(self, path: str, body: Any, headers: dict[str, str] | None = None) -> Answer:
        """POST a body."""
        return self.server.post(path, body, headers)

    def code_of(self, number: str) -> str:
        """The last code that a number got."""
        return self.provider.code(number)


class PhoneHouse(PhoneCalls, House):
    """The same in this process, by default with both faces."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**{"otp_apis": "native,phone"} | given)

    def ask(self, path: str, body: Any, headers: dict[str, str] | None = None) -> Answer:
        """POST a body."""
        answer = self.post(path, body, headers=headers)
        return Answer(answer.status_code, answer.headers, answer.json)

    def code_of(self, number: str) -> str:
        """The last code that a number got."""
        return next(message.code for message in reversed(self.channel.messages) if message.to == number)


@contextmanager
def serving_phones(folder: Path, **settings: str) -> Iterator[Phones]:
    """A server with both faces, in a folder of its own. `settings`: see RunningServer."""
    messages = '{"es": "Tu código es: {code}", "pt-BR": "Seu código é: {code}"}'
    with serving(folder, **{"OTP_APIS": "native,phone", "OTP_MESSAGES": messages} | settings) as served:
        yield Phones(*served)


@pytest.fixture(scope="module", params=["sqlite", "memory", "redis", "postgres"])
def phones(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, new_store: Callable[[str], str]
) -> Iterator[Phones]:
    """One server for all lines of a contract; each test has numbers of its own."""
    with serving_phones(tmp_path_factory.mktemp("phones"), store=new_store(request.param)) as phones:
        yield phones
