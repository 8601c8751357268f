"""What the core's tests share: a world in which time, randomness and the provider obey."""

from __future__ import annotations

import pytest

from tests.core.caller import Caller
from tests.core.fakes import FakeChannel, FakeClock, World


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still until a test moves it."""
    return FakeClock()


@pytest.fixture
def world(clock: FakeClock) -> World:
    """A server with one SMS channel."""
    return World(clock=clock)


@pytest.fixture
def two_channels(clock: FakeClock) -> World:
    """A server that tries WhatsApp first, then SMS."""
    return World(clock=clock, channels=(FakeChannel("whatsapp", landlines=True), FakeChannel("sms")))


@pytest.fixture
def caller(world: World) -> Caller:
    """A caller with an idempotency key."""
    return Caller(world)
