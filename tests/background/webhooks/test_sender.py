"""The threads that deliver: never in the way of a request, one verification at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from otp_app.background.webhooks import sender as senders
from otp_app.background.webhooks.sender import Sender
from tests.running import wait_until


class Deliveries:
    """A deliverer that notes what it is asked for, and may be held."""

    def __init__(self) -> None:
        self.done: list[tuple[str, bool]] = []
        self.begun: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.fault: Callable[[], None] = lambda: None

    def deliver(self, verification_id: str, *, is_due: bool) -> None:
        self.begun.append(verification_id)
        assert self.gate.wait(10)
        self.fault()
        self.done.append((verification_id, is_due))


@pytest.fixture
def deliveries() -> Deliveries:
    return Deliveries()


@pytest.fixture
def sender(deliveries: Deliveries) -> Iterator[Sender]:
    made = Sender(threads=2, linger=0.0)
    made.deliver_with(deliveries)  # type: ignore[arg-type]
    yield made
    deliveries.gate.set()
    made.stop()


def test_no_thread_before_the_first_event(sender: Sender, deliveries: Deliveries) -> None:
    before = threading.active_count()
    sender.wake("a")
    wait_until(lambda: deliveries.done == [("a", False)], "the delivery")
    assert threading.active_count() == before + 1


def test_a_held_receiver_holds_no_caller_and_as_many_threads_as_there_are(
    sender: Sender, deliveries: Deliveries
) -> None:
    deliveries.gate.clear()
    for number in range(100):
        sender.wake(str(number))
    wait_until(lambda: len(deliveries.begun) == 2, "both threads at work")
    deliveries.gate.set()
    wait_until(lambda: len(deliveries.done) == 100, "all deliveries")


def test_a_verification_has_one_thread_and_is_done_again_where_it_was_woken_meanwhile(
    sender: Sender, deliveries: Deliveries
) -> None:
    deliveries.gate.clear()
    sender.wake("a")
    wait_until(lambda: deliveries.begun == ["a"], "the first")
    sender.wake("a", is_due=True)
    sender.wake("a")
    sender.wake("b")
    wait_until(lambda: "b" in deliveries.begun, "the other one")
    assert deliveries.begun == ["a", "b"]
    deliveries.gate.set()
    wait_until(lambda: len(deliveries.done) == 3, "all")
    assert [is_due for id_, is_due in deliveries.done if id_ == "a"] == [False, True]


def test_a_queue_has_an_end(sender: Sender, deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit is told by its job."""
    monkeypatch.setattr(senders, "MOST_QUEUED", 5)
    deliveries.gate.clear()
    for name in ("a", "b"):
        sender.wake(name)
    wait_until(lambda: len(deliveries.begun) == 2, "both threads at work")
    for number in range(10):
        sender.wake(str(number))
    deliveries.gate.set()
    wait_until(lambda: len(deliveries.done) == 7, "those that fit")
    assert [id_ for id_, _ in deliveries.done if id_.isdecimal()] == ["0", "1", "2", "3", "4"]


def test_a_fault_ends_no_thread(sender: Sender, deliveries: Deliveries) -> None:
    def fail() -> None:
        raise RuntimeError

    deliveries.fault = fail
    for name in ("a", "b", "c"):
        sender.wake(name)
    wait_until(lambda: len(deliveries.begun) == 3, "all three")
    deliveries.fault = lambda: None
    sender.wake("d")
    wait_until(lambda: deliveries.done == [("d", False)], "one more")


def test_events_wait_where_the_system_has_no_further_thread(
    sender: Sender, deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often that was so: who wakes the sender has sent a message or checked a code, and must not fail."""

    def refuse(_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        for name in ("a", "b", "c"):
            sender.wake(name)
    assert deliveries.begun == []
    sender.wake("d")
    wait_until(lambda: len(deliveries.done) == 4, "all deliveries")
    assert sender.stop() == []


def test_a_stop_returns_what_was_not_begun(
    sender: Sender, deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(senders, "STOP_WITHIN", 0.1)
    deliveries.gate.clear()
    for name in ("a", "b", "c", "d"):
        sender.wake(name)
    wait_until(lambda: len(deliveries.begun) == 2, "both threads at work")
    assert sender.stop() == ["c", "d"]
    sender.wake("e")
    deliveries.gate.set()
    wait_until(lambda: len(deliveries.done) == 2, "those at hand")
    assert len(deliveries.begun) == 2
