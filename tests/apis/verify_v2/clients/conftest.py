"""A real server that offers Twilio Verify v2, and Twilio's own Python client for it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from twilio.rest import Client

from tests.serving import Seed, serving

ACCOUNT, TOKEN = "AC" + "0" * 32, "faketoken"
KEY, SECRET = "SK" + "5" * 32, "fakesecret"
SERVICE = "VA" + "1" * 32
STORES = ("sqlite", "memory", "redis", "postgres")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


SETTINGS = {
    "OTP_APIS": "native,verify_v2", "OTP_CHANNELS": "sms,whatsapp", "TWILIO_WHATSAPP_NUMBER": "whatsapp:+14155238886",
    "OTP_VERIFY_ACCOUNTS": f"{ACCOUNT}:{_digest(TOKEN)},{ACCOUNT}/{KEY}:{_digest(SECRET)}",
    "OTP_MESSAGES": '{"de": "Ihr Code: {code}"}',
}  # fmt: skip


class Served(Seed):
    """The running server, asked as Twilio's clients ask."""

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(self.offset.read_text()))

    def client(self, user: str = ACCOUNT, secret: str = TOKEN, account: str | None = None) -> Client:
        """Twilio's client with these credentials: one attribute more than its users set."""
        client = Client(user, secret, account)
        client.verify.base_url = self.server.url
        return client

    def service(self, sid: str = SERVICE) -> Any:
        return self.client().verify.v2.services(sid)

    def started(self, **fields: Any) -> tuple[Any, str]:
        """A verification of the next number by SMS, and its code."""
        number = self.number()
        verification = self.service().verifications.create(to=number, **{"channel": "sms"} | fields)
        return verification, self.provider.code(number)

    def ask(self, method: str, path: str, **how: Any) -> requests.Response:
        """A request without Twilio's client; `how` as in requests, with the right credentials where it names none."""
        how = {"auth": (ACCOUNT, TOKEN), "timeout": 20} | how
        return requests.request(method, self.server.url + path, **how)


@contextmanager
def serving_verify(folder: Path, **settings: Any) -> Iterator[Served]:
    """A server with the Verify API, in a folder of its own. `settings`: see RunningServer; no accounts where ""."""
    given = SETTINGS | settings
    if not given["OTP_VERIFY_ACCOUNTS"]:
        del given["OTP_VERIFY_ACCOUNTS"]  # given and empty it is a fault
    with serving(folder, **given) as parts:
        yield Served(*parts)


def _served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, new_store: Callable[[str], str]
) -> Iterator[Served]:
    with serving_verify(tmp_path_factory.mktemp("verify"), store=new_store(request.param), patient=True) as served:
        yield served


#: One server on each store; each test has numbers of its own.
served = pytest.fixture(_served, scope="session", params=STORES, name="served")
#: Another one for each file: that any SID is a service ends with the first that is made.
own_served = pytest.fixture(_served, scope="module", params=STORES, name="own_served")


@pytest.fixture(scope="module")
def sqlite_served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server on SQLite, for tests of what no store has a say in."""
    with serving_verify(tmp_path_factory.mktemp("verify")) as served:
        yield served
