"""Servers in this process for the tests of Verify."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.apis.verify_v2.site import SETTINGS, Verify
from tests.web.site import Site


@pytest.fixture
def open_verify(open_site: Callable[..., Site]) -> Callable[..., Verify]:
    """Call it with settings to get a server with the Verify API."""
    return lambda **given: Verify(open_site(**SETTINGS | given))


@pytest.fixture
def verify(open_verify: Callable[..., Verify]) -> Verify:
    return open_verify()
