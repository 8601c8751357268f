"""Attempts and their Summary through Twilio's Python client, from a server that has just been asked for codes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.running import wait_until

pytestmark = pytest.mark.slow

SHORTLY = 20.0  # seconds, on a busy machine: rows are written half a second after the end


@pytest.fixture
def approved(sqlite_served: Any) -> Any:
    """A verification of a new number that was sent twice and approved."""
    verification, code = sqlite_served.started()
    again = sqlite_served.service().verifications.create(to=verification.to, channel="sms")
    sqlite_served.service().verification_checks.create(to=verification.to, code=code)
    attempts = sqlite_served.client().verify.v2.verification_attempts
    wait_until(lambda: attempts.list(verification_sid=verification.sid), "a row of it", SHORTLY)
    return again


def test_the_attempts_of_a_verification(sqlite_served: Any, approved: Any) -> None:
    attempts = sqlite_served.client().verify.v2.verification_attempts
    newest, first = attempts.list(verification_sid=approved.sid)
    assert [newest.sid, first.sid] == [attempt["attempt_sid"] for attempt in reversed(approved.send_code_attempts)]
    assert (newest.conversion_status, first.conversion_status) == ("converted", "unconverted")
    assert attempts(newest.sid).fetch().verification_sid == approved.sid
    assert newest.channel_data["to"] != approved.to
    assert [attempt.sid for attempt in attempts.list(channel_data_to=approved.to, page_size=1)] == [
        newest.sid, first.sid
    ]  # fmt: skip


def test_the_summary(sqlite_served: Any, approved: Any) -> None:
    begun = approved.date_created - timedelta(hours=1)
    summary = sqlite_served.client().verify.v2.verification_attempts_summary().fetch(date_created_after=begun)
    assert summary.total_attempts == summary.total_converted + summary.total_unconverted
    assert 0 < summary.total_converted < summary.total_attempts
    assert 0 < float(summary.conversion_rate_percentage) < 100
