"""Publishers at the broker of the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from otp_app.bus.connecting import Broker
from otp_app.bus.publisher import Publisher


@pytest.fixture
def open_publisher() -> Iterator[Callable[[str], Publisher]]:
    """Call it with a URL to get a publisher that is closed with the test."""
    opened: list[Publisher] = []

    def make(url: str) -> Publisher:
        opened.append(Publisher(Broker(url)))
        return opened[-1]

    yield make
    for publisher in opened:
        with closing(publisher):
            pass


