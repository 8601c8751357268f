"""Fixtures over the stand-ins, for any test folder: import them in its conftest.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.twilio.broken_twilio import BrokenTwilio
from tests.twilio.fake_twilio import FakeTwilio


@pytest.fixture
def twilio() -> Iterator[FakeTwilio]:
    """A running stand-in; the test fails where a request departed from Twilio's documents."""
    with FakeTwilio() as fake:
        yield fake
        assert not fake.violations


@pytest.fixture
def broken() -> Iterator[BrokenTwilio]:
    """A server that answers well until it is changed with `set`."""
    with BrokenTwilio() as server:
        yield server
