"""Copies all records from one store to another while servers run: nothing is lost, no used code works again.

The source is frozen before the first record is read, and stays so: from then on servers answer 503 until they use the
target. So no code is used here and still valid there. Each copy has a name, and changes a freeze only while it has made
that freeze: of several copies at the same time one goes on.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice

from otp_app.core.errors import StoreUnavailable
from otp_app.core.moving import Freeze, Hold, Item, Movable

BATCH = 1000
SETTLE = 0.3  # seconds after a fault; a store fails calls at once for 0.2 s after one

Progress = Callable[[int, int], None]  # how many were copied, of about how many


class CannotMove(Exception):
    """The text says why, and what to do."""


def copy_records(source: Movable, target: Movable, progress: Progress) -> int:
    """Copy everything and return how many entries and counters that was.

    Afterwards the source is frozen for good and the target ready. Should anything fail, the source works as before
    and the target is not usable until a copy succeeds. At no moment are both usable, even where a process is killed,
    as long as both stores keep the changes that they acknowledge. Raises CannotMove, StoreUnavailable.
    """
    by = _name()
    _check_both(source, target)
    whole = False
    try:
        _freeze_source(source, by)
        copied = _fill(source, target, progress, by)
        whole = True  # from here on `thaw` opens the target, even where the answer to the next step is lost
        if not target.freeze(Freeze.MOVING, by, Hold(Freeze.FILLING, by)):
            whole = False  # another copy has taken it, so the records in it are not from this source
            raise _freeze_changed(target, by)
        _change_freeze(source, Hold(Freeze.MOVING, by), Freeze.MOVED, by)
    except BaseException:
        _resume_source(source, target, whole, by)
        raise
    _thaw_target(target, Hold(Freeze.MOVING, by))
    return copied


def _name() -> str:
    """Return a name for one copy, which shows people where it runs."""
    host = re.sub("[^A-Za-z0-9.-]", "-", socket.gethostname())
    return f"{host}-{os.getpid()}-{secrets.token_hex(4)}"


def _check_both(source: Movable, target: Movable) -> None:
    _check_source(source.hold())
    if not next(iter(source.scan()), None):
        raise CannotMove("the first store is empty; check its URL")
    held = target.hold()
    if not (held and held.how in (Freeze.MOVED, Freeze.FILLING)) and next(iter(target.scan()), None):
        raise CannotMove("the second store is not empty; use an empty one, or delete its contents")
    _check_target(held)


def _check_source(held: Hold | None) -> None:
    if held and held.how in (Freeze.MOVED, Freeze.FILLING):
        raise CannotMove("the first store is out of date or incomplete; copy from the store in use")
    if held:
        raise CannotMove(
            f"another copy ({held.name}) is reading the first store; if it was interrupted, run `store thaw` first"
        )


def _check_target(held: Hold | None) -> None:
    if held and held.how == Freeze.MOVING:
        raise CannotMove(
            f"another copy ({held.name}) holds the second store; if it was interrupted, run `store thaw` first"
        )


def _freeze_source(source: Movable, by: str) -> None:
    if not source.freeze(Freeze.MOVING, by, None):
        _check_source(source.hold())
        raise CannotMove("another copy of the first store has just ended; copy again")


def _fill(source: Movable, target: Movable, progress: Progress, by: str) -> int:
    _freeze_empty(target, by)
    target.clear(by)
    done, total = 0, source.size()
    for batch in _batches(source.scan()):
        progress(done, max(done + len(batch), total))
        target.load(batch, by)
        done += len(batch)
    progress(done, done)
    return done


def _freeze_empty(target: Movable, by: str) -> None:
    """Freeze the target, which must be empty, out of date or incomplete: another copy may be filling it."""
    held = target.hold()
    _check_target(held)
    if held is None:  # changes before the freeze are kept: they can be seen, and thawed
        _change_freeze(target, None, Freeze.MOVING, by)
        held = Hold(Freeze.MOVING, by)
        if next(iter(target.scan()), None):
            raise CannotMove("the second store is not empty; use an empty one, or delete its contents")
    _change_freeze(target, held, Freeze.FILLING, by)


def _change_freeze(store: Movable, was: Hold | None, how: Freeze, by: str) -> None:
    """Change the freeze, unless it is not any more what this copy saw or made."""
    if not store.freeze(how, by, was):
        raise _freeze_changed(store, by)


def _freeze_changed(store: Movable, by: str) -> CannotMove:
    held = store.hold()
    if held and held.by != by:
        return CannotMove(f"another copy ({held.name}) holds a store that this copy needs, so this copy stops")
    return CannotMove("a store was thawed meanwhile, so the copy is out of date; copy again")


def _resume_source(source: Movable, target: Movable, whole: bool, by: str) -> None:
    """Thaw the source, but not where another copy has moved it, nor while the target could be opened as well."""
    time.sleep(SETTLE)
    try:
        if source.hold() == Hold(Freeze.MOVED, by):  # only the answer was lost
            return
        if not _block_target(target, whole, by):
            raise CannotMove("The second store was thawed meanwhile, so the first store stays frozen; use the second")
        source.thaw(Hold(Freeze.MOVING, by))
    except StoreUnavailable as error:
        raise CannotMove(f"{error}. The first store is still frozen; run `store thaw` on it to use it again") from error


def _block_target(target: Movable, whole: bool, by: str) -> bool:
    """Keep servers off a target that is incomplete or given up; return whether it is frozen so."""
    complete = Hold(Freeze.MOVING, by)
    if whole:
        return target.freeze(Freeze.FILLING, by, complete) or target.hold() is not None
    with suppress(StoreUnavailable):  # nothing is in it, or it is as it was
        target.thaw(complete)
    return True


def _thaw_target(target: Movable, complete: Hold) -> None:
    try:
        if not target.thaw(complete) and target.hold():
            raise CannotMove("All is copied, but another copy has taken the second store; use the target of that copy")
    except (StoreUnavailable, KeyboardInterrupt) as error:
        raise CannotMove(f"{error}. All is copied; run `store thaw` on the second store, then use it") from error


def thaw(store: Movable) -> None:
    """Unfreeze a store after its copy was abandoned. Raises CannotMove, StoreUnavailable."""
    held = store.hold()
    if held is None:
        return
    if held.how == Freeze.MOVED:
        raise CannotMove("its records were moved, and used codes would work again; copy the records back instead")
    if held.how == Freeze.FILLING:
        raise CannotMove("this store is incomplete; copy the records again")
    if not store.thaw(held):
        raise CannotMove("a copy has just changed the freeze of this store; run the command again")


def _batches(items: Iterator[Item]) -> Iterator[list[Item]]:
    while batch := list(islice(items, BATCH)):
        yield batch
