"""One running server per kind of store for all cases of a module."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.corpus.invariants import Service
from tests.phones import fresh_numbers
from tests.provider import Provider
from tests.rounds import THOROUGH
from tests.running import RunningServer

WORKERS = {"sqlite, 4 workers": 4, "redis": 2, "postgres": 2}
if THOROUGH:
    WORKERS |= {"memory": 1, "sqlite": 1}


@contextmanager
def service(folder: Path, **settings: Any) -> Iterator[Service]:
    """A server that serves the two countries of the corpus, and its provider."""
    with Provider() as provider, RunningServer(
        folder, provider.url, patient=True, OTP_COUNTRIES="US,IN", **settings
    ) as server:
        yield Service(server, provider, fresh_numbers())


@pytest.fixture(scope="module")
def corpus_service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, new_store: Callable[[str], str]
) -> Iterator[Service]:
    """The server for single cases on a store. No traceback, and no code or whole number of any case, is in its log."""
    with service(tmp_path_factory.mktemp("corpus"), store=new_store(request.param)) as running:
        yield running
        log = running.server.log()
        assert "Traceback" not in log
        alone = set(re.findall(r"(?<![0-9A-Za-z.])[0-9]+(?![0-9A-Za-z])", log))
        assert [private for private in running.private if private.lstrip("+") in alone] == []


@pytest.fixture(scope="module", params=WORKERS)
def sequence_services(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, new_store: Callable[[str], str]
) -> Iterator[dict[str, Service]]:
    """The servers for sequences: one with gaps between sends that outlast a slow restart, one without, one behind a
    proxy.
    """
    kind, workers, folder = request.param.split(",")[0], WORKERS[request.param], tmp_path_factory.mktemp
    with (
        service(folder("gaps"), workers=workers, store=new_store(kind), OTP_RESEND_GAPS="300") as with_gaps,
        service(folder("no-gaps"), workers=workers, store=new_store(kind), OTP_RESEND_GAPS="") as without_gaps,
        service(
            folder("proxy"), workers=workers, store=new_store(kind), OTP_PUBLIC="1", OTP_TRUSTED_PROXIES="127.0.0.1"
        ) as behind_a_proxy,
    ):
        yield {"gaps": with_gaps, "no gaps": without_gaps, "behind a proxy": behind_a_proxy}
