"""servers/descriptors.py: how many descriptors there are, and how many are for clients."""

from __future__ import annotations

import resource
from typing import Any

import pytest

from otp_app.web.gunicorn import descriptors

INFINITE = resource.RLIM_INFINITY


class System:
    """Stands for the system's limits. `forbids`: it refuses changes, as a filter of system calls does."""

    def __init__(self, soft: int, hard: int, forbids: bool = False) -> None:
        self.soft, self.hard, self.forbids = soft, hard, forbids

    def getrlimit(self, _: int) -> tuple[int, int]:
        return self.soft, self.hard

    def setrlimit(self, _: int, limits: tuple[int, int]) -> None:
        if self.forbids:
            raise PermissionError
        self.soft, self.hard = limits


@pytest.mark.parametrize(("soft", "hard", "forbids", "now"), [
    (1024, 4096, False, 4096), (64, 64, False, 64), (1024, 2**20, False, descriptors.MOST),
    (1024, INFINITE, False, descriptors.MOST), (2**20, 2**20, False, 2**20), (1024, 4096, True, 1024),
])  # fmt: skip
def test_the_soft_limit_is_raised_to_the_hard_one(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, forbids: bool, now: int
) -> None:
    """As far as that is sensible, never lowered, and the hard limit stays."""
    system: Any = System(soft, hard, forbids)
    monkeypatch.setattr(resource, "getrlimit", system.getrlimit)
    monkeypatch.setattr(resource, "setrlimit", system.setrlimit)
    assert descriptors.raise_limit() == now
    assert (system.soft, system.hard) == (now, hard)


@pytest.mark.parametrize(("limit", "threads", "clients"), [
    (20_000, 288, 1288),  # as many as are of use
    (1024, 288, 704),
    (64, 288, 16),  # half of what the process itself leaves
    (10, 288, 1),
])  # fmt: skip
def test_clients_leave_descriptors_to_stores_and_providers(limit: int, threads: int, clients: int) -> None:
    assert descriptors.connections(limit, threads) == clients
