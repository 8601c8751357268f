"""kill -9 of servers that keep a history: there is one row of each verification, whatever was killed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from tests.faults.load import at_once
from tests.phones import fresh_numbers
from tests.provider import Provider
from tests.running import RunningServer, wait_until

AT_A_TIME, ROUNDS = 8, 5


def in_history(server: RunningServer, query: str) -> list[Any]:
    with closing(sqlite3.connect(server.folder / "otp-history.db")) as db:
        return db.execute(query).fetchall()


@pytest.mark.parametrize("workers", [1, 4])
def test_killed_servers_lose_no_row(
    server: Callable[..., RunningServer], fake_twilio: Provider, workers: int
) -> None:
    """Some are killed in the half second in which an approval waits to be written, some all at once."""
    running, numbers, approved = server(workers=workers, OTP_RESEND_GAPS=""), fresh_numbers(), set[str]()

    def verify(number: str) -> None:
        sent = running.post("/send-otp", {"phone_number": number})
        answer = running.post("/verify-otp", {"phone_number": number, "otp": fake_twilio.code(number)})
        assert (sent.status, answer.status) == (200, 200)
        approved.add(sent.json["verification_id"])

    for turn in range(ROUNDS):
        some = [next(numbers) for _ in range(AT_A_TIME)]
        at_once(AT_A_TIME, lambda number, some=some: verify(some[number]))  # type: ignore[misc]
        if turn % 2:
            running.kill_worker()
        else:
            running.kill_all()
            running.start()
    query = "SELECT count(*) FROM otp_history WHERE outcome = 'approved'"
    wait_until(lambda: in_history(running, query) == [(ROUNDS * AT_A_TIME,)], "all rows", every=0.1)
    assert {id_ for (id_,) in in_history(running, "SELECT id FROM otp_history")} == approved
    sums = "SELECT total, approved FROM otp_history_totals WHERE dimension = ''"
    assert [sum(column) for column in zip(*in_history(running, sums), strict=True)] == [len(approved)] * 2
