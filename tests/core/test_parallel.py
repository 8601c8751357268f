"""Many small calls at once: all are made, by as many threads as there are, or by the caller alone."""

from __future__ import annotations

import threading

import pytest

from otp_app.core.parallel import Helpers
from tests.running import wait_until


def test_all_calls_are_answered_in_their_order() -> None:
    assert Helpers(3).each(lambda n: n * n, 100, at_once=16) == [n * n for n in range(100)]
    assert Helpers(3).each(str, 0, at_once=16) == []


def test_as_many_threads_work_as_may_and_all_callers_share_the_helpers() -> None:
    helpers, go_on, working = Helpers(3), threading.Event(), threading.Semaphore(0)

    def call(_: int) -> str:
        working.release()
        go_on.wait(10)
        return threading.current_thread().name

    answers: list[list[str]] = []
    callers = [threading.Thread(target=lambda: answers.append(helpers.each(call, 8, at_once=3))) for _ in range(2)]
    for caller, most in zip(callers, (3, 2), strict=True):  # the second one finds one helper left
        caller.start()
        assert [working.acquire(timeout=10) for _ in range(most)] == [True] * most
    assert not working.acquire(timeout=0.05)
    go_on.set()
    for caller in callers:
        caller.join()
    assert [len(found) for found in answers] == [8, 8]
    assert helpers.each(lambda n: n, 9, at_once=9) == list(range(9))
    wait_until(lambda: helpers._places._value == 3, "all places back")


def test_a_caller_gets_helpers_as_soon_as_others_have_ended() -> None:
    helpers, go_on, waits = Helpers(1), threading.Event(), threading.Semaphore(0)
    names: set[str] = set()

    def first(n: int) -> None:
        waits.release()
        go_on.wait(10)

    def second(n: int) -> None:
        names.add(threading.current_thread().name)
        if n == 0:
            go_on.set()  # the helper of the other caller ends
            wait_until(lambda: helpers._places._value == 1, "a helper to spare")
        elif n == 1:
            wait_until(lambda: len(names) == 2, "help")

    caller = threading.Thread(target=helpers.each, args=(first, 2, 2))
    caller.start()
    assert [waits.acquire(timeout=10) for _ in range(2)] == [True, True]
    helpers.each(second, 5, 2)
    caller.join()
    assert len(names) == 2


def test_without_a_thread_the_caller_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    helpers = Helpers(3)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", _refuse)
        names = helpers.each(lambda _: threading.current_thread().name, 5, at_once=16)
    assert names == [threading.current_thread().name] * 5
    assert helpers._places._value == 3


def test_a_fault_is_the_callers_and_the_rest_is_not_begun() -> None:
    made = []

    def call(n: int) -> None:
        made.append(n)
        if n == 2:
            raise LookupError

    helpers = Helpers(0)
    with pytest.raises(LookupError):
        helpers.each(call, 5, at_once=1)
    assert made == [0, 1, 2]


def _refuse(_: object) -> None:
    raise RuntimeError("can't start new thread")
