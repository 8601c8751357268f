"""Every bad input of the corpus, against a running server: no crash, no message, no trace, no hint."""

from __future__ import annotations

import re

import pytest

from tests.corpus.cases import Case, cases
from tests.corpus.invariants import Run, Service, problems


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.id}-{case.target}")
def test_case(corpus_service: Service, case: Case) -> None:
    """The status is one of those expected and every invariant that the case names holds."""
    run = Run.of(corpus_service, case)
    assert problems(run) == [], run.request[:500]


def test_the_log_of_all_cases_is_clean(corpus_service: Service) -> None:
    """No traceback, no code and no whole number of any case above is in the log."""
    log = corpus_service.server.log()
    assert "Traceback" not in log
    alone = set(re.findall(r"(?<![0-9A-Za-z.])[0-9]+(?![0-9A-Za-z])", log))
    assert [told for told in corpus_service.told if told.lstrip("+") in alone] == []
