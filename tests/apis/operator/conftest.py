from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest
from flask import Flask
from jinja2 import Environment

from otp_app.apis.operator import pages
from tests.apis.operator.site import KEYS, Visitor, logged_in
from tests.web.site import Site

# As in Flask's environment: what a server compiled the next one need not.
pages.Environment = partial(Environment, **Flask.jinja_options)


@pytest.fixture
def open_site() -> Iterator[Callable[..., Site]]:
    """Call it with settings to get a server with these pages."""
    opened: list[Site] = []

    def open_(**given: object) -> Site:
        opened.append(Site(**{"otp_apis": ("native", "operator"), "otp_api_keys": KEYS} | given))
        return opened[-1]

    yield open_
    for site in opened:
        site.close()


@pytest.fixture
def site(open_site: Callable[..., Site]) -> Site:
    return open_site()


@pytest.fixture
def visitor(site: Site) -> Visitor:
    """A browser whose operator has logged in."""
    return logged_in(site)
