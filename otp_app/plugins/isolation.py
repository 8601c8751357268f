"""The one wrapper around code that operators write."""

from __future__ import annotations

import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class PluginFault(Exception):
    """What a plug-in raised, as `error`. The text has its type and place; its own text may have a number or a code."""

    def __init__(self, error: BaseException) -> None:
        frames = traceback.extract_tb(error.__traceback__)
        place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
        super().__init__(f"{type(error).__name__}{place}")
        self.error = error


def isolated(call: Callable[..., Answer], *arguments: Any, **options: Any) -> Answer:
    """Return what a plug-in's function returns. Raises PluginFault for everything that it raises, including SystemExit.

    A real Ctrl-C still raises KeyboardInterrupt, even where the plug-in suppresses it.
    """
    with _interrupts() as pressed:
        try:
            answer = call(*arguments, **options)
        except BaseException as error:
            if not pressed:
                raise PluginFault(error) from error
        if pressed:
            raise KeyboardInterrupt
        return answer


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Yield a list that is not empty once Ctrl-C was pressed: `raise KeyboardInterrupt` in a plug-in looks the same."""
    pressed: list[int] = []

    def on_interrupt(number: int, _frame: object) -> None:
        pressed.append(number)
        raise KeyboardInterrupt

    # Only the main thread gets signals, and only Python's own handler raises.
    if threading.current_thread() is not threading.main_thread() or _handler() is not signal.default_int_handler:
        yield pressed
        return
    signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield pressed
    finally:
        if _handler() is on_interrupt:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _handler() -> object:
    return signal.getsignal(signal.SIGINT)
