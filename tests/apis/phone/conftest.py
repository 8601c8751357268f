"""A real server on each store that verifies phones as seed 004 does, and one in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.running import Answer
from tests.serving import Seed, serving
from tests.web.site import Site


class PhoneCalls:
    """What callers of the API of seed 004 do, over a server's `ask`, `number` and `code_of`."""

    def register(self, number: str, headers: dict[str, str] | None = None) -> Answer:
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
        body = {"phone_number": number, "security_code": code, "session_token": token}
        return self.ask("/api/phone/verify", body)


class Phones(PhoneCalls, Seed):
    """A server with the native API and that of seed 004."""

    def ask(self, path: str, body: Any, headers: dict[str, str] | None = None) -> Answer:
        return self.server.post(path, body, headers)

    def code_of(self, number: str) -> str:
        return self.provider.code(number)


class PhoneSite(PhoneCalls, Site):
    """The same in this process, by default with both APIs."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**{"otp_apis": "native,phone"} | given)

    def ask(self, path: str, body: Any, headers: dict[str, str] | None = None) -> Answer:
        answer = self.post(path, body, headers=headers)
        return Answer(answer.status_code, answer.headers, answer.json)

    def code_of(self, number: str) -> str:
        return next(message.code for message in reversed(self.channel.messages) if message.to == number)


@contextmanager
def serving_phones(folder: Path, **settings: str) -> Iterator[Phones]:
    """A server with both APIs, in a folder of its own. `settings`: see RunningServer."""
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
