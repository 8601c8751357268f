"""Accounts over the services of a server in this process, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from otp_app.accounts.database import Database
from otp_app.accounts.service import Accounts, Session
from otp_app.core.results import SendRequest
from tests.web.site import Site

REQUEST = SendRequest()
TTL = 86_400


@dataclass
class Bureau:
    """The accounts, and what a test holds of their surroundings: the clock, the channel."""

    accounts: Accounts
    database: Database
    site: Site
    url: str

    def code(self) -> str:
        """The code of the last message."""
        return self.site.code()

    def number(self) -> str:
        """A number that nobody has used."""
        return self.site.number()

    def signed_up(self, number: str | None = None) -> tuple[str, str]:
        """A new user's number and token."""
        number = number or self.number()
        self.accounts.sign_up(number, REQUEST)
        return number, self.accounts.verify(number, self.code())

    def session(self) -> Session:
        """A new user's session."""
        return self.accounts.session(self.signed_up()[1])

    def log_in(self, number: str) -> str:
        """One more session of a user, later."""
        self.site.clock.advance(400)
        self.accounts.send_login_code(number, REQUEST)
        return self.accounts.log_in(number, self.code())

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        """What the database has."""
        with self.database.reading() as db:
            return [tuple(row) for row in db.exec_driver_sql(statement)]


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/accounts/users.db"
    else:
        server = request.getfixturevalue("postgres_server")
        yield (url := server.new_url())
        server.give_back(url)


@pytest.fixture
def open_bureau(site: Site) -> Iterator[Callable[[str], Bureau]]:
    """Call it with the URL of a database."""
    opened: list[Database] = []

    def make(url: str) -> Bureau:
        opened.append(Database(url))
        accounts = Accounts(site.services.verifications, opened[-1], clock=site.clock, session_ttl=TTL)
        return Bureau(accounts, opened[-1], site, url)

    yield make
    for database in opened:
        with closing(database):
            pass


@pytest.fixture
def bureau(open_bureau: Callable[[str], Bureau], database_url: str) -> Bureau:
    """The accounts of an empty database."""
    return open_bureau(database_url)
