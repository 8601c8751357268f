"""Does what is due: one thread takes jobs from the store, and others, apart from the requests' threads, do them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from otp_app.core.errors import Busy, StoreUnavailable
from otp_app.core.jobs import Job, Jobs
from otp_app.system.logs import log, warn_seldom

MOST_AT_ONCE = 64  # jobs, each in a thread of its own
LEASE = 20.0  # seconds after which another server is given a job whose taker was killed
LOOK_EVERY = 5.0  # seconds: other servers put jobs too
LOST_RACE = 0.05  # seconds: what was due a moment ago was taken by another server
LONGEST_PAUSE = 5.0  # seconds between attempts while the store is away

#: Does a job: returns None once it is done, or the seconds after which it is to be done again.
Handler = Callable[[bytes], float | None]


class JobRunner:
    """Puts jobs and does them. Jobs are put at once; they are done from `start` to `stop`."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._handlers: Mapping[str, Handler] = {}
        self._running: set[threading.Thread] = set()
        self._counting = threading.Lock()
        self._wake, self._ending = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)

    def start(self, handlers: Mapping[str, Handler]) -> None:
        """Begin to do jobs, unless that was done before. A handler gets the payload of each job whose id begins with
        its name and a colon. One that raises leaves its job to the lease, so that it comes again, here or elsewhere.
        """  # fmt: skip
        self._handlers = handlers
        if not self._thread.ident:
            self._thread.start()

    def stop(self) -> None:
        """Take no more jobs, and wait for those at hand."""
        self._ending = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        for thread in list(self._running):
            thread.join()

    def put(self, job_id: str, payload: bytes, delay: float) -> None:
        """Keep a job that is due in `delay` seconds. Raises StoreUnavailable."""
        self._jobs.put(job_id, payload, delay)
        if delay < LOOK_EVERY:
            self._wake.set()

    def _run(self) -> None:
        pause = failing = 0.0
        while not self._ending:
            self._wake.wait(pause)
            self._wake.clear()
            try:
                pause, failing = self._turn(), 0.0
            except Exception as error:  # noqa: BLE001 - whatever it is, jobs have to be done afterwards
                pause = failing = min(max(failing * 2, 0.1), LONGEST_PAUSE)
                warn_seldom(f"jobs: {error if isinstance(error, StoreUnavailable) else type(error).__name__}")

    def _turn(self) -> float:
        """Hand on what is due, and return the seconds to sleep. A look costs the store a read, and no write."""
        free = MOST_AT_ONCE - len(self._running)
        if self._ending or not free:
            return LOOK_EVERY  # the first that ends wakes this thread
        due = self._jobs.next_in()
        if due is None or due > 0:
            return LOOK_EVERY if due is None else min(due, LOOK_EVERY)
        taken = self._jobs.take(LEASE, free)
        for job in taken:
            self._begin(job)
        return 0.0 if taken else LOST_RACE

    def _begin(self, job: Job) -> None:
        thread = threading.Thread(target=self._do, args=(job,), name="job")
        self._running.add(thread)
        try:
            thread.start()
        except RuntimeError as error:  # the system has no further thread; the job comes again, by its lease
            self._running.remove(thread)
            warn_seldom(f"jobs: {error}")

    def _do(self, job: Job) -> None:
        try:
            self._handle(job)
        except (Busy, StoreUnavailable) as error:
            warn_seldom(f"jobs: {error}")
        except Exception:  # noqa: BLE001 - it is a fault of the handler, and its job comes again
            log.exception("a job failed")
        finally:
            with self._counting:
                was_full = len(self._running) == MOST_AT_ONCE
                self._running.remove(threading.current_thread())
            if was_full:
                self._wake.set()

    def _handle(self, job: Job) -> None:
        name = job.id.partition(":")[0]
        if name not in self._handlers:  # of a later version, which runs on another server
            warn_seldom("jobs: there is one that this server does not know: it is left to others")
            return
        again = self._handlers[name](job.payload)
        if again is None:
            self._jobs.done(job)
        else:
            self.put(job.id, job.payload, again)
