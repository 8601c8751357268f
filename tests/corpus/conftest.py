"""One running server per kind of store for all cases of a module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.corpus.invariants import Service
from tests.phones import fresh_numbers
from tests.provider import Provider
from tests.running import RunningServer

STORES: dict[str, dict[str, Any]] = {"memory": {"store": "memory://"}, "sqlite": {}}
MANY_WORKERS: dict[str, dict[str, Any]] = {"sqlite-4-workers": {"workers": 4}}


@contextmanager
def service(folder: Path, **settings: Any) -> Iterator[Service]:
    """A server that serves the two countries of the corpus, and its provider."""
    with Provider() as provider, RunningServer(folder, provider.url, OTP_COUNTRIES="US,IN", **settings) as server:
        yield Service(server, provider, fresh_numbers())


@pytest.fixture(scope="module", params=STORES)
def corpus_service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The server for single cases, its store one of STORES."""
    with service(tmp_path_factory.mktemp(request.param), **STORES[request.param]) as running:
        yield running


@pytest.fixture(scope="module", params=STORES | MANY_WORKERS)
def sequence_services(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Service]]:
    """The servers for sequences: one with the usual gaps between sends, one without."""
    settings = (STORES | MANY_WORKERS)[request.param]
    with (
        service(tmp_path_factory.mktemp(request.param), **settings) as with_gaps,
        service(tmp_path_factory.mktemp(request.param), OTP_RESEND_GAPS="", **settings) as without_gaps,
    ):
        yield {"gaps": with_gaps, "no gaps": without_gaps}
