"""What clients do and see while the store of their server is away, and when it comes back."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.faults.load import Clients, other_code
from tests.history import Event

BACK_WITHIN = 60.0  # seconds: a server that looks for its store has found it by then; one that must be restarted never


def pending(clients: Clients, wrong: int = 0) -> str:
    """A number with a code, for which so many wrong ones were tried."""
    number = clients.next_number()
    assert clients.send(number).status == 200
    for distance in range(1, wrong + 1):
        assert clients.attempt(number, other_code(clients.provider.code(number), distance)).status == 400
    return number


def right_attempt(clients: Clients, number: str) -> Event:
    """Check the code that the number has."""
    return clients.attempt(number, clients.provider.code(number))


def wrong_attempt(clients: Clients, number: str) -> Event:
    """Check a code that `pending` did not try."""
    return clients.attempt(number, other_code(clients.provider.code(number), 9))


def messages_to(numbers: set[str], clients: Clients) -> list[str]:
    """Those of the numbers that got a message, each as often as it got one."""
    return [post.number for post in clients.provider.posts if post.number in numbers]


def assert_all_refused_for_now(events: list[Event], also: int = 503) -> None:
    """Each was answered with 503 (or `also`) and when to come back."""
    others = [event for event in events if event.status not in (503, also) or not event.retry_after]
    assert others == [], others[:3]


def when_back(call: Callable[[], Event]) -> Event:
    """Make the call until it is not 503, and return its event. A worker may find the store later than another."""
    end = time.monotonic() + BACK_WITHIN
    while (event := call()).status == 503:
        assert time.monotonic() < end, f"still 503 after {BACK_WITHIN} s"
        time.sleep(0.01)
    return event
