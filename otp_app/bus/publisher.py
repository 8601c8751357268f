"""Publishing from the threads of a server: one thread has the connection, for pika's are not to be shared."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread
from typing import Any, NamedTuple

from otp_app.bus.connecting import FAULTS, FIRST_PAUSE, LAST_PAUSE, LONGEST_WAIT, Broker, publish, reason_of
from otp_app.bus.errors import BusUnavailable
from otp_app.bus.letters import REQUESTS, Letter, Route
from otp_app.core.errors import StoreUnavailable
from otp_app.stores.breaker import Breaker
from otp_app.system.logs import log, warn_seldom

TIMEOUT = 2.0  # seconds that a request waits for the broker's word


class _Task(NamedTuple):
    """What the thread does on its channel; it is repeated until it is done, or nobody waits for it any more."""

    work: Callable[[Any], object]
    done: Future[None]


class Publisher:
    """Publishes letters at a broker. Its thread starts with the first one: after the fork of a server."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._tasks: SimpleQueue[_Task] = SimpleQueue()
        self._breaker = Breaker((TimeoutError,))
        self._thread: Thread | None = None
        self._starting, self._closed = Lock(), Event()

    def publish(self, route: Route, letter: Letter) -> None:
        """Return once the broker has the message on its disk.

        Raises BusUnavailable: it may have it or not. While that is open the message may be published again, with the
        same id, by which its reader knows it.
        """
        self._do(partial(publish, route=route, letter=letter))

    def ping(self) -> None:
        """Raise BusUnavailable unless the broker answers now."""
        self._do(lambda channel: channel.queue_declare(REQUESTS.queue, passive=True))

    def close(self) -> None:
        """Close the connection; whoever waits for a confirmation gets BusUnavailable."""
        self._closed.set()
        if self._thread:
            self._thread.join(TIMEOUT)

    def _do(self, work: Callable[[Any], object]) -> None:
        self._start()
        task = _Task(work, Future())
        try:
            with self._breaker.calling():
                self._tasks.put(task)
                task.done.result(TIMEOUT)
        except (TimeoutError, StoreUnavailable):
            task.done.cancel()
            raise BusUnavailable from None

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                thread = Thread(target=self._run, name="publisher", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:  # the system has no further thread: the next letter tries again
                    raise BusUnavailable from error
                self._thread = thread

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._closed.is_set():
            try:
                with self._broker.channel() as channel:
                    pause = FIRST_PAUSE
                    while not self._closed.is_set():
                        self._serve(channel)
            except FAULTS as error:
                warn_seldom(f"bus_unavailable: {reason_of(error)}")
            except Exception:  # noqa: BLE001 - without this thread nothing is published until the server starts again
                log.exception("the publisher begins anew")
            self._forget_given_up()
            self._closed.wait(pause)
            pause = min(2 * pause, LAST_PAUSE)

    def _serve(self, channel: Any) -> None:
        try:
            task = self._tasks.get(timeout=LONGEST_WAIT)
        except Empty:
            channel.connection.process_data_events(0)  # heartbeats, and the end of the connection
            return
        if task.done.cancelled():
            return
        try:
            task.work(channel)
        except FAULTS:
            self._tasks.put(task)
            raise
        with suppress(InvalidStateError):  # it was given up meanwhile
            task.done.set_result(None)

    def _forget_given_up(self) -> None:
        for _ in range(self._tasks.qsize()):
            if not (task := self._tasks.get()).done.cancelled():
                self._tasks.put(task)
