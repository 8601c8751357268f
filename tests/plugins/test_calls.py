"""Calls with a time limit: what hangs is not waited for, and takes no more threads than it was given."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from otp_app.core.events import Approval
from otp_app.plugins.approvals import bounded
from otp_app.plugins.calls import Calls, NoRoom, Overdue
from tests.running import wait_until

APPROVAL = Approval("+14155552671", "login", "VE0123", "sms", 0.0)


@pytest.fixture
def go_on() -> Iterator[threading.Event]:
    """What hanging calls wait for."""
    event = threading.Event()
    yield event
    event.set()


def test_calls_that_hang_keep_their_places_and_others_fail_at_once(go_on):
    """The limit of a call is not waited for once all places hang; when they are back, calls are made again."""
    calls = Calls("test", timeout=0.05, at_once=2)
    for _ in range(2):
        with pytest.raises(Overdue):
            calls.make(go_on.wait)
    assert calls.full
    patient = Calls("test", timeout=60.0, at_once=1)
    patient._hanging, patient._room = 1, calls._room
    with pytest.raises(NoRoom):
        patient.make(int)
    go_on.set()
    wait_until(lambda: not calls.full and not calls._hanging, "the calls come back")
    assert calls.make(lambda: 7) == 7


def test_a_call_that_no_thread_can_make_says_so(monkeypatch):
    calls = Calls("test", timeout=60.0, at_once=2)

    def refuse(_):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        for _ in range(3):
            with pytest.raises(NoRoom, match="no further thread"):
                calls.make(int)
    assert calls.make(lambda: 7) == 7


def test_a_listener_that_hangs_does_not_hold_the_answer(go_on, caplog):
    """Each approval that it has not taken stands in the log, by its verification and without its number."""
    heard = []

    def listener(approval):
        heard.append(approval)
        go_on.wait()

    listen = bounded(listener, timeout=0.05, calls_at_once=1)
    listen(APPROVAL)
    listen(APPROVAL)
    assert heard == [APPROVAL]
    lines = [record.getMessage() for record in caplog.records]
    assert [line.partition("VE0123: ")[2].partition(" re")[0] for line in lines] == [
        "it has not", "it was NOT called: 1 calls before have not",
    ]
    assert APPROVAL.phone not in caplog.text


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), ValueError("+14155552671")])
def test_a_listener_that_raises_changes_nothing(error, caplog):
    """It is logged, without its text."""

    def listener(approval):
        raise error

    bounded(listener)(APPROVAL)
    assert f"VE0123: it raised {type(error).__name__} at test_calls.py" in caplog.text
    assert APPROVAL.phone not in caplog.text


def test_a_listener_that_returns_a_coroutine_is_a_fault(caplog):
    """A plain function around an async one, which no look at the start can find."""

    async def later():
        """Never awaited."""

    bounded(lambda _: later())(APPROVAL)
    assert "it raised TypeError" in caplog.text
