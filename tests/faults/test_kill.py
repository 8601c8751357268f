"""kill -9 of workers and of everything, in the middle of sends and checks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.faults.load import Clients
from tests.rounds import rounds

BETWEEN = 40  # answered calls between two blows


@pytest.mark.parametrize("workers", [1, 4])
def test_killed_workers_break_no_promise(clients: Callable[..., Clients], workers: int) -> None:
    """Only requests inside the killed worker are lost; what was answered stays true, nothing happens twice."""
    with clients(workers=workers) as busy:
        for _ in range(rounds(3, 5)):
            busy.wait_for(BETWEEN)
            busy.server.kill_worker()
        busy.wait_for(BETWEEN)
    assert busy.faults() == []


@pytest.mark.parametrize("workers", [1, 4])
def test_a_killed_server_goes_on_from_its_file(clients: Callable[..., Clients], workers: int) -> None:
    """After kill -9 of master and workers a new start knows every code, attempt and use that was answered."""
    with clients(workers=workers) as busy:
        for _ in range(rounds(2, 3)):
            busy.wait_for(BETWEEN)
            busy.server.kill_all()
            busy.server.start()
        busy.wait_for(BETWEEN)
    assert busy.faults() == []
