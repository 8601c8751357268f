"""Servers in this process for the tests of the HTTP API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from tests.web.house import House


@pytest.fixture
def open_house() -> Iterator[Callable[..., House]]:
    """Call it with settings to get a server that is closed with the test."""
    with ExitStack() as opened:
        yield lambda **given: opened.enter_context(closing(House(**given)))


@pytest.fixture
def house(open_house: Callable[..., House]) -> House:
    """A server with the default settings, reached from this machine."""
    return open_house()
