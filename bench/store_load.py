"""Load on a store: processes that use it at the same time, each call of it timed by itself."""

from __future__ import annotations

import os
import random
from array import array
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter, process_time
from types import TracebackType
from typing import Any

from otp_app.core.errors import StoreUnavailable
from otp_app.core.moving import Item, Movable
from otp_app.stores import open_store

WARM = 0.5  # seconds that do not count
LIFE = 86_400.0  # seconds: no record ends while it is measured
BATCH = 1000  # records put there at a time
MARK = b"0" * 32  # in the sample, what differs between records
VERSIONS = 255  # of one record, again from 0 after the last
DOUBTFUL = 255  # the version of a record of which nobody knows what it is now


class WrongAnswerError(Exception):
    """The store did not do what it was asked, so no figure counts."""


@dataclass(frozen=True)
class Part:
    """What one process measured."""

    took: array[float]  # seconds of each call
    wall: float  # seconds of measuring
    cpu: float  # seconds of CPU that the process used
    refused: int  # StoreUnavailable


@dataclass(frozen=True)
class Figures:
    """What all processes measured. Times are of one operation, CPU is that of the load, the store's code included."""

    rate: float  # a second
    p50: float  # milliseconds
    p99: float
    cpu: float  # microseconds
    refused: int


class Worker:
    """One process and its store. Of the live numbers it uses each `shares`th, so that no swap has reason to lose."""

    def __init__(self, url: str, sample: bytes, versions: Any, share: int, shares: int, threads: int) -> None:
        self._store = open_store(url)
        self._head, _, self._tail = sample.partition(MARK)
        self._versions = versions  # of each number, shared with all processes
        self._share, self._shares, self._threads = share, shares, threads

    def fill(self, first: int, end: int) -> None:
        """Put the first version of these numbers' records there."""
        for begin in range(first, end, BATCH):
            numbers = range(begin, min(begin + BATCH, end))
            self._load([(key(n), self._record(n, 0)) for n in numbers])

    def measure(self, operation: str, live: int, seconds: float) -> Part:
        """Do one of swap, get, add and turn over and over, at random numbers."""
        with ThreadPoolExecutor(self._threads) as pool:
            self._together(pool, operation, live, WARM)
            cpu, begin = process_time(), perf_counter()
            runs = self._together(pool, operation, live, seconds)
            wall, cpu = perf_counter() - begin, process_time() - cpu
        took = array("d", chain.from_iterable(calls for calls, _ in runs))
        return Part(took, wall, cpu, sum(refused for _, refused in runs))

    def resident(self) -> int:
        """Bytes of memory that this process takes."""
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def _load(self, records: list[tuple[str, bytes]]) -> None:
        if isinstance(self._store, Movable):
            self._store.load(Item(name, record, LIFE) for name, record in records)
            return
        for name, record in records:
            self._store.swap(name, None, record, LIFE)

    def _together(self, pool: ThreadPoolExecutor, *asked: Any) -> list[tuple[array[float], int]]:
        return list(pool.map(lambda thread: self._repeat(thread, *asked), range(self._threads)))

    def _repeat(self, thread: int, operation: str, live: int, seconds: float) -> tuple[array[float], int]:
        """Return the seconds of each call, and how often the store was not available."""
        operate, dice = getattr(self, f"_{operation}"), random.Random()
        shares = self._shares * self._threads
        own = range(self._share * self._threads + thread, live, shares)
        took, refused = array("d"), 0
        end = perf_counter() + seconds
        while perf_counter() < end:
            number = own[int(dice.random() * len(own))]
            if self._versions[number] == DOUBTFUL:
                continue
            try:
                took.append(operate(number))
            except StoreUnavailable:
                self._versions[number] = DOUBTFUL
                refused += 1
        return took, refused

    def _swap(self, number: int) -> float:
        version = self._versions[number]
        following = (version + 1) % VERSIONS
        name, old, new = key(number), self._record(number, version), self._record(number, following)
        begin = perf_counter()
        won = self._store.swap(name, old, new, LIFE).won
        took = perf_counter() - begin
        _require(won, "a swap lost that nobody raced with")
        self._versions[number] = following
        return took

    def _get(self, number: int) -> float:
        name = key(number)
        begin = perf_counter()
        found = self._store.get(name)
        took = perf_counter() - begin
        _require(found == self._record(number, self._versions[number]), "a get brought something else")
        return took

    def _add(self, number: int) -> float:
        name = key(number)
        begin = perf_counter()
        count = self._store.add(name, 1, LIFE)
        took = perf_counter() - begin
        _require(count > 0, "a counter stayed where it was")
        return took

    def _turn(self, number: int) -> float:
        return self._get(number) + self._swap(number)

    def _record(self, number: int, version: int) -> bytes:
        return b"%b%032x%b" % (self._head, number * 256 + version, self._tail)


class Crowd:
    """Processes that use one store, until the end of the block."""

    def __init__(self, url: str, sample: bytes, versions: Any, count: int, threads: int) -> None:
        spawning = get_context("spawn")
        self._pipes, self._processes = [], []
        for share in range(count):
            ours, theirs = spawning.Pipe()
            arguments = (theirs, url, sample, versions, share, count, threads)
            process = spawning.Process(target=serve, args=arguments, daemon=True)
            process.start()
            theirs.close()  # so that its end is heard
            self._pipes.append(ours)
            self._processes.append(process)

    def __enter__(self) -> Crowd:
        self.ask("resident")  # all have started
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join()

    def ask(self, method: str, *arguments: Any) -> list[Any]:
        """Let all processes do something at the same moment; return their answers."""
        for pipe in self._pipes:
            pipe.send((method, arguments))
        answers = [pipe.recv() for pipe in self._pipes]
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    def measure(self, operation: str, live: int, seconds: float) -> Figures:
        """Return the figures of all processes together."""
        parts: list[Part] = self.ask("measure", operation, live, seconds)
        took = sorted(chain.from_iterable(part.took for part in parts))
        _require(bool(took), "not one call came back")
        return Figures(
            rate=sum(len(part.took) / part.wall for part in parts),
            p50=1e3 * took[len(took) // 2],
            p99=1e3 * took[len(took) * 99 // 100],
            cpu=1e6 * sum(part.cpu for part in parts) / len(took),
            refused=sum(part.refused for part in parts),
        )


def serve(asked: Connection, *arguments: Any) -> None:
    """Do what is asked until the pipe is closed."""
    with closing(Worker(*arguments)) as worker:
        while True:
            try:
                method, values = asked.recv()
            except EOFError:
                return
            try:
                asked.send(getattr(worker, method)(*values))
            except (StoreUnavailable, WrongAnswerError) as error:
                asked.send(error)


def key(number: int) -> str:
    """The store's key of a number: as long, and as far from any order, as the server's own."""
    return "n:" + blake2b(number.to_bytes(8), digest_size=9).hexdigest()


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise WrongAnswerError(otherwise)
