"""Servers in this process for the tests of the HTTP API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from otp_app.apis import FACES
from tests.web.documented import PROOF_KEYS
from tests.web.house import House
from tests.web.verify_house import SETTINGS, Verify


@pytest.fixture
def open_house() -> Iterator[Callable[..., House]]:
    """Call it with settings to get a server that is closed with the test."""
    with ExitStack() as opened:
        yield lambda **given: opened.enter_context(closing(House(**given)))


@pytest.fixture
def house(open_house: Callable[..., House]) -> House:
    """A server with the default settings, reached from this machine."""
    return open_house()


@pytest.fixture
def open_verify(open_house: Callable[..., House]) -> Callable[..., Verify]:
    """Call it with settings to get a server with the Verify face."""
    return lambda **given: Verify(open_house(**SETTINGS | given))


@pytest.fixture
def verify(open_verify: Callable[..., Verify]) -> Verify:
    """One with the usual settings."""
    return open_verify()


@pytest.fixture(scope="module")
def all_there_is(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The settings of a server of all faces, whose directory has the user abc."""
    users = tmp_path_factory.mktemp("directory") / "users.csv"
    users.write_text("user_id,phone_number\nabc,+14155552671\nnophone,\nfixed,+442079460958\n", encoding="ascii")
    return {"otp_apis": tuple(FACES), "otp_directory_url": f"file:///{users}", "otp_proof_keys": PROOF_KEYS}


@pytest.fixture
def open_all(open_house: Callable[..., House], all_there_is: dict[str, Any]) -> Callable[..., House]:
    """Call it with settings to get such a server."""
    return lambda **given: open_house(**(all_there_is | given))


@pytest.fixture
def everything(open_all: Callable[..., House]) -> House:
    """Such a server."""
    return open_all()


@pytest.fixture(scope="module")
def unharmed(all_there_is: dict[str, Any]) -> Iterator[House]:
    """One server for all requests of which nothing may remain, so that each finds it as the first one did."""
    with closing(House(**all_there_is, otp_client_limits="", otp_check_limits="")) as house:
        yield house
        assert house.channel.messages == []
