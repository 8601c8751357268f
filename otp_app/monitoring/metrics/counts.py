"""The numbers that all processes of a server count together: each in its own part of one piece of memory.

The memory has no file. The master makes it and keeps it, so the counts of a worker that was killed stay, and the next
worker goes on with its part. Each number has one writer, so none waits for another process.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import time
import weakref
from array import array
from collections.abc import Iterator
from threading import Lock

from otp_app.system.logs import warn_once

PARTS = 256  # processes at a time: twice as many as workers may be, since a reload has old ones beside new ones
NAMES = 64 * 1024  # bytes of a part for the names of its series; the first 8 of them say how many are used
CELLS = 8 * 1024  # numbers of a part
SPARE = 32  # the last of them, which nobody reads: where series go that find no room
PART = NAMES + 8 * CELLS

#: the name of a family, and the value of each label
Series = tuple[str, ...]

_of_the_master: Counts | None = None


class Counts:
    """Counts in this process, and reads what all processes have counted that were forked with this object."""

    def __init__(self) -> None:
        self.begun = time.time()  # seconds since the epoch
        self._file = os.memfd_create("otp_app metrics")
        weakref.finalize(self, os.close, self._file)
        os.ftruncate(self._file, PARTS * PART)  # pages that nobody wrote to take no memory
        self._memory = memoryview(mmap.mmap(self._file, PARTS * PART))
        self.forget()
        _all.add(self)

    def forget(self) -> None:
        """Have no part yet: after a fork, the one from before is its parent's."""
        self._lock, self._next = Lock(), 0
        self._places: dict[Series, int] = {}
        self._names, self._values = _halves(memoryview(b""))

    def add(self, series: Series) -> None:
        """Count one. This is done several times for a request, so it looks at nothing that may be known already."""
        place = self._places.get(series)
        if place is None:
            place = self._new(series, 1)
        with self._lock:
            self._values[place] += 1.0

    def observe(self, series: Series, width: int, bucket: int, amount: float) -> None:
        """Count one in a bucket of a series with so many numbers, and add to its sum, which is the last one."""
        place = self._places.get(series)
        if place is None:
            place = self._new(series, width)
        values = self._values
        with self._lock:
            values[place + bucket] += 1.0
            values[place + width - 1] += amount

    def both(self, series: Series, histogram: Series, width: int, bucket: int, amount: float) -> None:
        """Do what `add` and `observe` do, at three quarters of their cost."""
        places = self._places
        place, other = places.get(series), places.get(histogram)
        if place is None or other is None:
            place, other = self._new(series, 1), self._new(histogram, width)
        values = self._values
        with self._lock:
            values[place] += 1.0
            values[other + bucket] += 1.0
            values[other + width - 1] += amount

    def totals(self) -> dict[Series, array[float]]:
        """Return the numbers of each series, summed over all processes, those that have ended included."""
        found: dict[Series, array[float]] = {}
        for part in range(PARTS):
            names, values = _halves(self._part(part))
            for series, place, width in _named(names):
                sums = found.setdefault(series, array("d", bytes(8 * width)))
                for number in range(width):
                    sums[number] += values[place + number]
        return found

    def _new(self, series: Series, width: int) -> int:
        """Return the place of a series that this process has not counted before."""
        with self._lock:
            if not self._names:
                self._begin()
            place = self._places.get(series)
            return self._append(series, width) if place is None else place

    def _begin(self) -> None:
        """Take a part, and go on with the counts that are in it."""
        self._names, self._values = _halves(self._claim())
        found = list(_named(self._names))
        self._places = {series: place for series, place, _ in found}
        self._next = sum(width for *_, width in found)

    def _claim(self) -> memoryview:
        """Return a part that belongs to no living process. The kernel gives the claim back at the end of this one."""
        for number in range(PARTS):
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
            except OSError:
                continue
            return self._part(number)
        warn_once("metrics: there are too many processes: what this one counts is missing")
        return memoryview(bytearray(PART))

    def _part(self, number: int) -> memoryview:
        return self._memory[number * PART : (number + 1) * PART]

    def _append(self, series: Series, width: int) -> int:
        line = json.dumps([width, *series]).encode() + b"\n"
        used = _used(self._names)
        if used + len(line) > NAMES or self._next + width > CELLS - SPARE:
            warn_once("metrics: there are too many series: further ones are not counted")
            return CELLS - SPARE
        self._names[used : used + len(line)] = line
        self._names[:8] = (used + len(line)).to_bytes(8, "little")  # last, for whoever reads meanwhile
        place = self._places[series] = self._next
        self._next += width
        return place


_all: weakref.WeakSet[Counts] = weakref.WeakSet()


def _after_fork() -> None:
    for counts in _all:
        counts.forget()


os.register_at_fork(after_in_child=_after_fork)


def inherited() -> Counts:
    """Return the counts that this process was forked with, or new ones, which are its own."""
    return _of_the_master or Counts()


def prepare() -> None:
    """Make the memory that the processes share that are forked from now on, once."""
    global _of_the_master
    _of_the_master = _of_the_master or Counts()


def _halves(part: memoryview) -> tuple[memoryview, memoryview[float]]:
    return part[:NAMES], part[NAMES:].cast("d")


def _used(names: memoryview) -> int:
    return int.from_bytes(names[:8], "little") or 8


def _named(names: memoryview) -> Iterator[tuple[Series, int, int]]:
    """Yield the series of a part, each with its place and its width."""
    place = 0
    for line in bytes(names[8 : _used(names)]).splitlines():
        width, *series = json.loads(line)
        yield tuple(series), place, width
        place += width
