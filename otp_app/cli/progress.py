"""How far long work is: a bar on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

Progress = Callable[[int, int], None]  # what is done, of how much


@contextmanager
def bar(label: str, elsewhere: Progress | None = None) -> Iterator[Progress]:
    """Draw a bar on the terminal of standard error; without one, call `elsewhere`."""
    if not sys.stderr.isatty():
        yield elsewhere or (lambda _done, _total: None)
        return
    with click.progressbar(length=1, label=label, file=sys.stderr, show_pos=True) as drawn:

        def show(done: int, total: int) -> None:
            drawn.length = max(total, 1)
            drawn.update(done - drawn.pos)

        yield show
