"""Moving all records from one store to another while servers run: nothing is lost, nothing comes to life again.

The source is frozen before the first record is read, and stays so: from then on servers answer 503 until they are
told of the new place. So no code is used up here and still good there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import islice

from otp_app.core.errors import StoreUnavailable
from otp_app.core.interfaces import Freeze, Item, Movable

BATCH = 1000
SETTLE = 0.3  # seconds after a fault; a store that was away refuses for 0.2 without trying

Progress = Callable[[int, int], None]  # how many were copied, of about how many


class CannotMove(Exception):
    """The text says why, and what to do."""


def copy(source: Movable, target: Movable, progress: Progress) -> int:
    """Copy everything and return how many entries and counters that was.

    Afterwards the source is frozen for good and the target ready. Should anything fail, the source goes on as before
    and the target is not usable until a copy succeeds. At no moment are both usable, whatever fails or is killed, as
    long as both stores keep what they acknowledge. Raises CannotMove, StoreUnavailable.
    """
    _refuse(source, target)
    whole = False
    try:
        source.freeze(Freeze.MOVING)
        copied = _fill(source, target, progress)
        if source.frozen() != Freeze.MOVING:
            raise CannotMove("the first store was thawed meanwhile, so the copy is out of date: copy again")
        whole = True
        target.freeze(Freeze.MOVING)  # it has everything: from here on `thaw` may open it, should this process die
        source.freeze(Freeze.MOVED)
    except BaseException:
        _go_on_with(source, target if whole else None)
        raise
    _open(target)
    return copied


def _refuse(source: Movable, target: Movable) -> None:
    frozen = source.frozen()
    if frozen in (Freeze.MOVED, Freeze.FILLING):
        raise CannotMove("what the first store has is out of date or incomplete: copy from the store that is in use")
    if frozen:
        raise CannotMove("the first store is being copied already; if that was given up, `store thaw` it first")
    if not next(iter(source.scan()), None):
        raise CannotMove("the first store is empty: is its URL right?")
    if target.frozen() not in (Freeze.MOVED, Freeze.FILLING) and next(iter(target.scan()), None):
        raise CannotMove("the second store is not empty: name one that is, or delete what it has")


def _fill(source: Movable, target: Movable, progress: Progress) -> int:
    target.freeze(Freeze.FILLING)
    target.clear()
    done, total = 0, source.size()
    for batch in _batches(source.scan()):
        progress(done, max(done + len(batch), total))
        target.load(batch)
        done += len(batch)
    progress(done, done)
    return done


def _go_on_with(source: Movable, whole: Movable | None) -> None:
    """Thaw the source, but not where another copy has moved it, nor while the target could be opened as well."""
    time.sleep(SETTLE)
    try:
        if source.frozen() != Freeze.MOVING:
            return
        if whole:
            whole.freeze(Freeze.FILLING)
        source.thaw()
    except StoreUnavailable as error:
        raise CannotMove(f"{error}. The first store is still frozen: `store thaw` it, and servers go on") from error


def _open(target: Movable) -> None:
    try:
        target.thaw()
    except (StoreUnavailable, KeyboardInterrupt) as error:
        raise CannotMove(f"{error}. All is copied: `store thaw` the second store, then let servers use it") from error


def thaw(store: Movable) -> None:
    """Let a store be used again whose copy was given up. Raises CannotMove, StoreUnavailable."""
    frozen = store.frozen()
    if frozen == Freeze.MOVED:
        raise CannotMove("its records were moved: used codes would work again. Copy them back from where they are now")
    if frozen == Freeze.FILLING:
        raise CannotMove("it has a part of the records only: copy them again")
    store.thaw()


def _batches(items: Iterator[Item]) -> Iterator[list[Item]]:
    while batch := list(islice(items, BATCH)):
        yield batch
