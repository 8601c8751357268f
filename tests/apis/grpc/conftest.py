"""A site whose gRPC API answers beside its HTTP API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.apis.grpc.calling import Client, answering


@pytest.fixture
def call_site(open_site: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """Call it with settings to get a site, and what gives a client of its gRPC API, by key and metadata."""
    with ExitStack() as entered:

        def start(**given: Any) -> tuple[Any, Callable[..., Client]]:
            site = open_site(**given)
            target = entered.enter_context(answering(site.services))
            return site, lambda key="", **metadata: entered.enter_context(Client(target, key, **metadata))

        yield start
