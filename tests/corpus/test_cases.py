"""Every bad input of the corpus, against a running server: no crash, no message, no trace, no hint."""

from __future__ import annotations

import pytest

from tests.corpus.cases import Case, cases
from tests.corpus.invariants import Run, Service, problems
from tests.rounds import THOROUGH

STORES = ("sqlite", "postgres", *(("memory", "redis") if THOROUGH else ()))
#: Reading a request does not depend on the store, so most cases are for one alone.
RUNS = [(store, case) for store in STORES for case in cases() if store == STORES[0] or case.needs_records]


@pytest.mark.parametrize(("corpus_service", "case"), [
    pytest.param(store, case, id=f"{store}-{case.id}-{case.target}") for store, case in RUNS
], indirect=["corpus_service"], scope="module")  # fmt: skip
def test_case(corpus_service: Service, case: Case) -> None:
    """The status is one of those expected and every invariant that the case names holds."""
    run = Run.of(corpus_service, case)
    assert problems(run) == [], run.request[:500]
