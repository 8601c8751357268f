"""Death at the exact moments that matter: around a commit, and while the provider answers."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.load import Clients
from tests.provider import Provider
from tests.running import KEYS, wait_until

ROUNDS = 10


class Mortal:
    """Clients of a server with one worker, which dies where the trigger says."""

    def __init__(self, clients: Clients, trigger: Path) -> None:
        self.clients, self.provider, self._trigger = clients, clients.provider, trigger

    def arm(self, moment: str) -> None:
        """Choose the moment of the next death; see killing.py."""
        draft = self._trigger.with_suffix(".new")
        draft.write_text(moment)
        draft.rename(self._trigger)

    def wait_for_rebirth(self) -> None:
        """Return when a new worker answers."""
        wait_until(lambda: not self._trigger.exists() and self.clients.server.healthy(), "a new worker")

    def messages(self, number: str) -> int:
        """How many messages a number got."""
        return sum(post.number == number for post in self.provider.posts)


@pytest.fixture
def mortal(clients: Callable[..., Clients], tmp_path: Path) -> Mortal:
    """A server on the killing store, without limits between sends."""
    store = f"tests.faults.killing:KillingStore?database={tmp_path}/otp.db&trigger={tmp_path}/trigger"
    return Mortal(clients(store=store, **KEYS, OTP_RESEND_GAPS=""), tmp_path / "trigger")


def test_after_the_commit_before_the_post(mortal: Mortal) -> None:
    """A send that died before its message left is not made up for; asking again sends once, and that code works."""
    for number in (mortal.clients.next_number() for _ in range(ROUNDS)):
        mortal.arm("after 1")
        assert mortal.clients.send(number).status is None
        mortal.wait_for_rebirth()
        assert mortal.messages(number) == 0
        assert mortal.clients.send(number).accepted
        assert mortal.messages(number) == 1
        assert mortal.clients.attempt(number, mortal.provider.code(number)).accepted
    assert mortal.clients.faults() == []


def test_after_the_post_before_the_settle(mortal: Mortal) -> None:
    """A code that arrived works, though the server died before it noted that it was sent."""
    for number in (mortal.clients.next_number() for _ in range(ROUNDS)):
        mortal.arm("before 2")
        assert mortal.clients.send(number).status is None
        mortal.wait_for_rebirth()
        assert mortal.messages(number) == 1
        assert mortal.clients.attempt(number, mortal.provider.code(number)).accepted
        assert not mortal.clients.attempt(number, mortal.provider.code(number)).accepted
    assert mortal.clients.faults() == []


def test_after_the_answer_before_the_outcome_is_on_the_disk(clients: Callable[..., Clients]) -> None:
    """SQLite stores that a message was sent soon after the answer: a death in between takes nothing else along."""
    busy = clients()
    for number in (busy.next_number() for _ in range(ROUNDS)):
        sent = busy.send(number)
        os.kill(busy.server.worker_pids()[0], signal.SIGKILL)
        assert sent.accepted
        wait_until(busy.server.healthy, "a new worker")
        assert busy.send(number).status == 429
        code = busy.provider.code(number)
        assert [busy.attempt(number, code).status for _ in range(2)] == [200, 400]
        assert [post.number for post in busy.provider.posts].count(number) == 1
    assert busy.faults() == []


def test_while_the_provider_answers(clients: Callable[..., Clients], fake_twilio: Provider) -> None:
    """A worker that dies between the provider's yes and its own reading of it leaves a code that works once."""
    busy = clients()
    fake_twilio.on_message = lambda _: os.kill(busy.server.worker_pids()[0], signal.SIGKILL)
    for number in (busy.next_number() for _ in range(ROUNDS)):
        assert busy.send(number).status is None
        wait_until(busy.server.healthy, "a new worker")
        assert [post.number for post in fake_twilio.posts].count(number) == 1
        assert busy.attempt(number, fake_twilio.code(number)).accepted
        assert not busy.attempt(number, fake_twilio.code(number)).accepted
    assert busy.faults() == []


def test_before_the_commit_of_a_check(mortal: Mortal) -> None:
    """A check that died before it was written down did not happen: the code still works, once."""
    for number in (mortal.clients.next_number() for _ in range(ROUNDS)):
        mortal.clients.send(number)
        code = mortal.provider.code(number)
        mortal.arm("before 1")
        assert mortal.clients.attempt(number, code).status is None
        mortal.wait_for_rebirth()
        assert [mortal.clients.attempt(number, code).status for _ in range(2)] == [200, 400]
    assert mortal.clients.faults() == []


def test_after_the_commit_of_a_check_before_the_answer(mortal: Mortal) -> None:
    """A code whose use was written down is used, though nobody heard of it."""
    for number in (mortal.clients.next_number() for _ in range(ROUNDS)):
        sent = mortal.clients.send(number)
        code = mortal.provider.code(number)
        mortal.arm("after 1")
        assert mortal.clients.attempt(number, code).status is None
        mortal.wait_for_rebirth()
        assert mortal.clients.attempt(number, code).status == 400
        assert mortal.clients.status(number, sent.verification).answer["status"] == "approved"
    assert mortal.clients.faults() == []


def test_after_the_commit_of_the_fifth_wrong_attempt(mortal: Mortal) -> None:
    """A try that was written down is spent, though the worker died before it answered."""
    for number in (mortal.clients.next_number() for _ in range(ROUNDS)):
        mortal.clients.send(number)
        code = mortal.provider.code(number)
        for attempt in range(4):
            mortal.clients.attempt(number, f"{(int(code) + 1 + attempt) % 10**6:06d}")
        mortal.arm("after 1")
        assert mortal.clients.attempt(number, f"{(int(code) + 5) % 10**6:06d}").status is None
        mortal.wait_for_rebirth()
        assert mortal.clients.attempt(number, code).status == 400
    assert mortal.clients.faults() == []
