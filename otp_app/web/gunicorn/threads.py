"""Threads that work off a queue."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from otp_app.system.logs import log

Job = TypeVar("Job")
NEW_OBJECTS = 5000  # between two looks for circular garbage; Python's default is 700


def take_turns() -> None:
    """Let no thread that this one starts interrupt another one of them by waking up.

    Python runs one at a time. Linux would mostly run a thread that wakes at once, in the middle of the one that woke
    it; it would find Python taken, and wait again. As SCHED_BATCH has it, it runs when the other one waits.
    """
    with suppress(AttributeError, OSError):  # no Linux, or a sandbox; otp-app.service does it before its own begins
        if os.sched_getscheduler(0) == os.SCHED_OTHER:  # the operator has not chosen
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def collect_seldom() -> None:
    """Let Python look for circular garbage after more new objects than by its default.

    Many threads have requests at the same time, whose objects it would find alive again and again.
    """
    first, *rest = gc.get_threshold()
    if first:  # otherwise the operator has switched it off
        gc.set_threshold(max(first, NEW_OBJECTS), *rest)


class Threads(Generic[Job]):
    """Do jobs on at most `most` threads; a thread starts when a job finds none that is free.

    concurrent.futures has the same, with a future, its lock and its condition for each job, which nobody here asks.
    """

    def __init__(self, most: int, work: Callable[..., object], at_once: int = 1) -> None:
        """`work` gets a job, or as many of those that wait as a thread may do `at_once`."""
        self._most, self._work, self._at_once = most, work, at_once
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        # Counted are jobs, not free threads: a job that found no thread does not leave one more of them free.
        self._submitted, self._done, self._counting = 0, 0, threading.Lock()
        self._threads: list[threading.Thread] = []

    def submit(self, job: Job) -> None:
        """Have a job done. Only one thread may submit."""
        if self._submitted - self._done >= len(self._threads) < self._most:
            self._start()
        self._submitted += 1
        self._jobs.put(job)

    def has_waiting(self) -> bool:
        """Whether a job waits for a thread."""
        return not self._jobs.empty()

    def take(self) -> list[Job]:
        """Return the jobs that wait by now, for the thread that is at work to do them too."""
        jobs = list(self._others())
        with self._counting:
            self._done += len(jobs)
        return jobs

    def shutdown(self, wait: bool = True) -> None:
        """Let each thread end when the jobs that wait are done."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads if wait else ():
            thread.join()

    def _start(self) -> None:
        thread = threading.Thread(target=self._run)
        try:
            thread.start()
        except RuntimeError as error:  # the system has no further thread; the job waits for one of those that run
            log.warning("%s", error)
        else:
            self._threads.append(thread)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            jobs = [job, *self._others()]
            try:
                self._work(*jobs)
            except BaseException as error:  # noqa: BLE001 - whatever it is, it ends this job only
                log.error("request failed", exc_info=error)
            with self._counting:
                self._done += len(jobs)

    def _others(self) -> Iterator[Job]:
        """Yield jobs that wait, for a thread that has one, as long as it may do more at once."""
        for _ in range(self._at_once - 1):
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return
            if job is None:  # the end of a thread: this one will come to it
                self._jobs.put(None)
                return
            yield job
