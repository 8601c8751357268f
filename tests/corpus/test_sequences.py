"""The corpus's sequences, on every store and over several workers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.corpus.cases import documents
from tests.corpus.invariants import Service
from tests.corpus.sequences import AFTER_GAP, RESTART, Sequence

SEQUENCES = [sequence for document in documents() for sequence in document["sequences"]]


@pytest.mark.parametrize("sequence", SEQUENCES, ids=lambda sequence: sequence["id"])
def test_sequence(sequence_services: dict[str, Service], sequence: dict[str, Any]) -> None:
    """What the calls amount to is what the sequence allows."""
    steps = sequence["steps"]
    kind = "no gaps" if any(AFTER_GAP in step for step in steps) else "gaps"
    if any("headers" in step for step in steps):
        kind = "behind a proxy"  # a server without keys refuses what comes through one
    service = sequence_services[kind]
    if any(RESTART in step for step in steps) and service.server.environment["OTP_STORE_URL"] == "memory://":
        pytest.skip("memory forgets with its process")
    assert Sequence(service, sequence).run() == []
