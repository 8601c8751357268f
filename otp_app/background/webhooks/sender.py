"""The sender: threads that deliver events beside the requests, so that a slow receiver slows none."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from otp_app.background.webhooks.delivery import Deliverer
from otp_app.core.errors import Busy, StoreUnavailable
from otp_app.system.logs import log, warn_seldom

THREADS = 8  # made as they are needed
MOST_QUEUED = 10_000  # verifications; what does not fit waits for its job
LINGER = 0.05  # seconds: what happens within them is told together
STOP_WITHIN = 2.0  # seconds


class Sender:
    """Delivers the events of each verification that it is woken for, one thread a verification."""

    def __init__(self, threads: int = THREADS, linger: float = LINGER) -> None:
        self._most, self._linger = threads, linger
        self._deliverer: Deliverer | None = None
        self._queue: OrderedDict[str, tuple[float, bool]] = OrderedDict()  # id -> from when on, whether it is due
        self._busy: set[str] = set()
        self._idle, self._is_timed, self._ending = 0, False, False  # timed: a thread waits for the next one's time
        self._threads: list[threading.Thread] = []
        self._changed = threading.Condition()

    def deliver_with(self, deliverer: Deliverer) -> None:
        """Take what delivers, once it is there: before that, nothing may be woken."""
        self._deliverer = deliverer

    def wake(self, verification_id: str, *, is_due: bool = False) -> None:
        """Have the events of a verification delivered soon; see Deliverer.deliver. Returns at once."""
        with self._changed:
            if self._ending or (len(self._queue) >= MOST_QUEUED and verification_id not in self._queue):
                return
            start, was_due = self._queue.get(verification_id, (time.monotonic() + self._linger, False))
            self._queue[verification_id] = (start, was_due or is_due)
            self._call()

    def stop(self) -> list[str]:
        """Begin no further delivery, give those at hand some time, and return what was not begun."""
        with self._changed:
            self._ending = True
            left = list(self._queue)
            self._changed.notify_all()
        end = time.monotonic() + STOP_WITHIN
        for thread in self._threads:
            thread.join(max(end - time.monotonic(), 0.0))
        return left

    def _call(self) -> None:
        """Have a thread see to what waits, unless one does. One is enough: what comes later has a later time."""
        if self._is_timed:
            return
        if self._idle:
            self._changed.notify()
        elif len(self._threads) < self._most:
            thread = threading.Thread(target=self._run, name="events", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # the system has no further thread: the next event tries again, or the job
                warn_seldom(f"events: {error}")
            else:
                self._threads.append(thread)

    def _run(self) -> None:
        while (taken := self._next()) is not None:
            try:
                if self._deliverer:
                    self._deliverer.deliver(taken[0], is_due=taken[1])
            except (Busy, StoreUnavailable) as error:  # the job comes
                warn_seldom(f"events: {error}")
            except Exception:  # noqa: BLE001 - it is a fault of ours, and the others have to be told
                log.exception("an event could not be delivered")
            with self._changed:
                self._busy.discard(taken[0])

    def _next(self) -> tuple[str, bool] | None:
        """Return a verification that nobody is at, once its time has come; None at the end."""
        with self._changed:
            while not self._ending:
                now = time.monotonic()
                free = ((id_, start) for id_, (start, _) in self._queue.items() if id_ not in self._busy)
                id_, start = next(free, ("", 0.0))
                if id_ and start <= now:
                    self._busy.add(id_)
                    is_due = self._queue.pop(id_)[1]
                    if self._queue:
                        self._call()
                    return id_, is_due
                self._wait(start - now if id_ and not self._is_timed else None)
            return None

    def _wait(self, seconds: float | None) -> None:
        if seconds is None:
            self._idle += 1
            self._changed.wait()
            self._idle -= 1
        else:
            self._is_timed = True
            self._changed.wait(seconds)
            self._is_timed = False
