"""Code of others: nothing that it raises ends the server, and Ctrl-C still does."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from otp_app.plugins.isolation import PluginFault, isolated


def raising(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), ValueError("+14155552671")])
def test_whatever_is_raised_is_a_fault(error):
    """With its type and place, and nothing of its text."""
    with pytest.raises(PluginFault, match=rf"\A{type(error).__name__} at test_isolation\.py:\d+\Z") as caught:
        isolated(raising, error)
    assert caught.value.error is error


def press_ctrl_c(*suppressed: type[BaseException]) -> None:
    try:
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait(5)  # where Python gets to handle it
    except suppressed:
        pass


@pytest.mark.parametrize("suppressed", [(), (KeyboardInterrupt,)], ids=["let through", "suppressed by the plug-in"])
def test_ctrl_c_still_stops_the_server(suppressed):
    """A real one, in the main thread; afterwards Python's own handler is back."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin without it
    try:
        with pytest.raises(KeyboardInterrupt):
            isolated(press_ctrl_c, *suppressed)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_handlers_of_the_server_are_left_alone():
    """gunicorn has its own, which a plug-in's call must not replace."""
    ours = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        handler = isolated(signal.getsignal, signal.SIGINT)
        assert handler is signal.getsignal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, ours)
