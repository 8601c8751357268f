"""The breaker in front of a server that may be away."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from otp_app.core.errors import StoreUnavailable
from otp_app.stores.breaker import PAUSE, Breaker
from tests.stores.faults import in_thread
from tests.stores.test_threads import together


class Away(Exception):
    """The server does not answer."""


class Time:
    """Seconds that pass only when a test says so."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def breaker(clock: Time) -> Breaker:
    return Breaker((Away,), clock)


def call(breaker: Breaker, fault: Exception | None = None) -> str:
    """Call a server that answers, or has this fault."""
    with breaker.calling():
        if fault:
            raise fault
    return "answered"


def trip(breaker: Breaker) -> None:
    with pytest.raises(Away):
        call(breaker, Away())


def assert_refused(breaker: Breaker) -> None:
    with pytest.raises(StoreUnavailable, match="did not answer just now"):
        call(breaker)


@contextmanager
def a_call_that_lasts(breaker: Breaker) -> Iterator[None]:
    """Another thread is inside a call, until the end of the block; then it is answered."""
    inside, go = threading.Event(), threading.Event()

    def stay() -> None:
        with breaker.calling():
            inside.set()
            go.wait(5)

    thread = in_thread(stay)
    assert inside.wait(5)
    try:
        yield
    finally:
        go.set()
        thread.join()


def test_while_all_is_well_everyone_calls_at_once(breaker: Breaker) -> None:
    with a_call_that_lasts(breaker):
        assert call(breaker) == "answered"


def test_the_fault_itself_is_passed_on(breaker: Breaker) -> None:
    fault = Away("as it was")
    with pytest.raises(Away) as passed:
        call(breaker, fault)
    assert passed.value is fault


def test_after_a_fault_nobody_calls_until_the_pause_is_over(breaker: Breaker, clock: Time) -> None:
    trip(breaker)
    assert_refused(breaker)
    clock.now += PAUSE * 0.9
    assert_refused(breaker)
    clock.now += PAUSE * 0.2
    assert call(breaker) == "answered"


def test_a_refusal_says_when_to_come_back(breaker: Breaker) -> None:
    trip(breaker)
    with pytest.raises(StoreUnavailable) as refusal:
        call(breaker)
    assert refusal.value.retry_after == 1.0


def test_after_the_pause_one_tries_and_the_others_are_refused(breaker: Breaker, clock: Time) -> None:
    trip(breaker)
    clock.now += PAUSE
    with a_call_that_lasts(breaker):
        assert_refused(breaker)
        clock.now += 10 * PAUSE
        assert_refused(breaker)


def test_once_the_try_was_answered_everyone_calls_again(breaker: Breaker, clock: Time) -> None:
    trip(breaker)
    clock.now += PAUSE
    call(breaker)
    with a_call_that_lasts(breaker):
        assert call(breaker) == "answered"


def test_a_try_in_vain_begins_another_pause(breaker: Breaker, clock: Time) -> None:
    trip(breaker)
    for _ in range(3):
        clock.now += PAUSE
        trip(breaker)
        assert_refused(breaker)
    clock.now += PAUSE
    assert call(breaker) == "answered"


@pytest.mark.parametrize("fault", [ValueError(), StoreUnavailable("frozen"), KeyError("x")], ids=repr)
def test_a_fault_of_another_kind_closes_nobody_out(breaker: Breaker, fault: Exception) -> None:
    with pytest.raises(type(fault)):
        call(breaker, fault)
    assert call(breaker) == "answered"


def test_a_try_that_is_answered_with_an_error_finds_the_server_back(breaker: Breaker, clock: Time) -> None:
    """A server that refuses every write answers all the same."""
    trip(breaker)
    clock.now += PAUSE
    with pytest.raises(ValueError):
        call(breaker, ValueError())
    with a_call_that_lasts(breaker):
        assert call(breaker) == "answered"


def test_a_fault_of_a_call_that_was_under_way_keeps_the_others_out(breaker: Breaker, clock: Time) -> None:
    """The try was answered, but another call has just seen that the server is away again."""
    late = breaker.calling()
    late.__enter__()
    trip(breaker)
    clock.now += PAUSE
    with breaker.calling():
        assert not late.__exit__(Away, Away(), None)
    assert_refused(breaker)


def test_of_eight_threads_one_tries_at_a_time(breaker: Breaker, clock: Time) -> None:
    inside, most = [0], [0]
    trip(breaker)

    def work(_: int) -> None:
        for _ in range(200):
            clock.now += PAUSE
            with suppress(Away, StoreUnavailable), breaker.calling():
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0)
                inside[0] -= 1
                raise Away

    together(8, work)
    assert most == [1]


def test_threads_that_see_it_go_and_come_meet_no_other_error(breaker: Breaker, clock: Time) -> None:
    """Every other call has a fault, and the pause is over at once."""

    def work(number: int) -> None:
        for turn in range(2000):
            clock.now += PAUSE
            with suppress(Away, StoreUnavailable), breaker.calling():
                if (number + turn) % 2:
                    raise Away

    together(8, work)
    clock.now += PAUSE
    assert call(breaker) == "answered"
