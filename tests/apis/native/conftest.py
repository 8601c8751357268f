"""A real server on each store that sends by WhatsApp as seed 003 does."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.serving import Seed, serving


@pytest.fixture(scope="module", params=["sqlite", "memory", "redis", "postgres"])
def seed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, new_store: Callable[[str], str]
) -> Iterator[Seed]:
    """One server for all lines of a contract; each test has numbers of its own."""
    settings = {"OTP_CHANNELS": "whatsapp", "TWILIO_WHATSAPP_NUMBER": "whatsapp:+14155238886"}
    with serving(tmp_path_factory.mktemp("seed"), store=new_store(request.param), **settings) as served:
        yield Seed(*served)
