"""A real server on each store that knows users as seed 001 does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.phones import fresh_numbers
from tests.running import Answer
from tests.serving import Seed, serving


class User(NamedTuple):
    """A line of the directory."""

    id: str
    number: str


@dataclass
class Users(Seed):
    """A server whose directory has abc, somebody without a number, and users of whom each test takes its own."""

    fresh: Iterator[User] = field(kw_only=True)

    def user(self) -> User:
        return next(self.fresh)

    def send_code(self, user_id: str) -> Answer:
        return self.server.post("/send-code", {"user_id": user_id})

    def coded(self) -> tuple[User, str]:
        user = self.user()
        assert self.send_code(user.id).status == 200
        return user, self.provider.code(user.number)

    def verify_code(self, user_id: str, passcode: str) -> Answer:
        return self.server.post("/verify-code", {"user_id": user_id, "passcode": passcode})


@contextmanager
def serving_users(folder: Path, **settings: str) -> Iterator[Users]:
    """A server with both APIs and a directory, in a folder of its own. `settings`: see RunningServer."""
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
