"""Servers in this process for the tests of Verify."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.apis.verify_v2.house import SETTINGS, Verify
from tests.web.house import House


@pytest.fixture
def open_verify(open_house: Callable[..., House]) -> Callable[..., Verify]:
    """Call it with settings to get a server with the Verify face."""
    return lambda **given: Verify(open_house(**SETTINGS | given))


@pytest.fixture
def verify(open_verify: Callable[..., Verify]) -> Verify:
    """One with the usual settings."""
    return open_verify()
