"""Fleets of servers, and clients for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.provider import Provider
from tests.scaled.fleet import Fleet, FleetClients

StartFleet = Callable[..., Fleet]


@pytest.fixture
def fleet(tmp_path: Path, fake_twilio: Provider, new_store: Callable[[str], str]) -> Iterator[StartFleet]:
    """Call it with settings to start a fleet on a Redis of its own; it stops with the test."""
    with ExitStack() as running:
        yield lambda **settings: running.enter_context(
            Fleet(tmp_path / "fleet", fake_twilio.url, new_store("redis"), **settings)
        )


@pytest.fixture
def clients(fleet: StartFleet, fake_twilio: Provider) -> FleetClients:
    """Clients of a fleet that runs."""
    return FleetClients(fleet(), fake_twilio)
