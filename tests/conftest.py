"""What tests of several folders share: the running server, the stand-in for Twilio, and the rule for absent tools."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.provider import Provider
from tests.running import RunningServer


def absent(what: str) -> None:
    """Skip and say why; where everything must be there (CI=true), fail instead."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"needs {what}, which is not here")


def require(binary: str) -> str:
    """The path of a program that a test cannot do without."""
    if path := shutil.which(binary):
        return path
    absent(binary)
    raise AssertionError("absent() does not return")


@pytest.fixture
def fake_twilio() -> Iterator[Provider]:
    """A running stand-in; a test fails whose requests departed from Twilio's documents."""
    with Provider() as provider:
        yield provider
        provider.drain()
        assert provider.violations == []


@pytest.fixture
def server(tmp_path: Path, fake_twilio: Provider) -> Iterator[Callable[..., RunningServer]]:
    """Call it to start a server on the stand-in (see RunningServer for its arguments); it stops with the test."""
    with ExitStack() as running:

        def start(**settings: Any) -> RunningServer:
            return running.enter_context(RunningServer(tmp_path, fake_twilio.url, **settings))

        yield start
