"""How tests are spread over processes: those that share a server go to one process, one after another."""

from __future__ import annotations

import re
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

STORE = re.compile(r"\[.*?\b(memory|sqlite|redis|postgres)\b")
#: Folders and files whose tests take long, so that none of them begins when all others are done; and files there whose
#: tests share a server.
LONG = (
    *("tests/bus/", "tests/scaled/", "tests/faults/", "tests/deploy/", "tests/maintenance/", "tests/corpus/"),
    "tests/packaging/",
    *("tests/core/test_fallback_histories.py", "tests/core/test_notification_histories.py"),
    *("tests/background/webhooks/test_histories.py", "tests/histories/test_histories.py"),
    *("tests/core/test_provider_walks.py", "tests/core/test_risk.py", "tests/channels/test_twilio_answers.py"),
    *("tests/architecture/test_apis.py", "tests/pages/", "tests/recipes/", "tests/site/", "tests/web/test_linear.py"),
    "tests/web/test_schemathesis.py",
)
SHARING = ("test_races.py", "test_postgres.py", "test_together.py", "test_cases.py", "test_sequences.py",
           "test_install.py", "test_wheel.py", "test_image.py", "test_php.py", "test_demo.py", "test_docs.py",
           "test_operator.py", "test_site.py", "test_linear.py")  # fmt: skip

BROKER = "tests/bus/"  # one RabbitMQ takes as long to start as many of its tests


class ByServer(LoadScopeScheduling):
    """A unit of work is one test where each starts its own servers, else what a file asks of one kind of store."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        config.option.loadscopereorder = False  # longest first, not those with most tests
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition("::")
        if file.startswith(BROKER):
            return BROKER
        if file.startswith(LONG) and not file.endswith(SHARING):
            return nodeid
        store = STORE.search(test)
        return f"{file} {store[1]}" if store else file


def long_first(item: pytest.Item) -> int:
    """Where a test stands in the order."""
    return next((n for n, folder in enumerate(LONG) if item.nodeid.startswith(folder)), len(LONG))
