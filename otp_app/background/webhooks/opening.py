"""Events out, put together: what notes them, what tells of them, and the jobs of both."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from otp_app.background.webhooks.caretaker import Bystander, Caretaker, keep_small
from otp_app.background.webhooks.delivery import Deliverer
from otp_app.background.webhooks.posting import Poster
from otp_app.background.webhooks.sender import Sender
from otp_app.core.delivery import Channel
from otp_app.core.errors import StoreUnavailable
from otp_app.core.instant import Clock
from otp_app.core.journal import EVENTS, Journal, job_id
from otp_app.core.notebook import Notebook
from otp_app.core.parallel import Helpers
from otp_app.core.store import Store
from otp_app.settings import Settings

LIMIT = "eventlimit"  # name of the job that keeps the outbox small
LIMIT_EVERY = 60.0  # seconds, while the receiver does not take events
HAND_OVER = 3.0  # seconds of the end of a server for what waits: ten thousand writes would be longer than it has
WRITERS = 16  # threads of it: a store commits together what is written at once

Put = Callable[[str, bytes, float], None]
Handler = Callable[[bytes], float | None]


class Webhooks:
    """Tells the receiver of OTP_EVENTS_URL of events. Its threads begin with the first one."""

    def __init__(self, settings: Settings, store: Store, channels: Sequence[Channel], put: Put, clock: Clock) -> None:
        self._settings, self._store, self._channels = settings, store, channels
        self._put, self._clock, self._sender = put, clock, Sender()
        self._poster = Poster(settings.otp_events_url)
        self._limited, self._limiting = 0, threading.Lock()
        self.journal = Journal(put, self._sender.wake)

    def open(self, notebook: Notebook) -> dict[str, Handler]:
        """Begin to tell what is noted there; return the handlers of the jobs."""
        settings = self._settings
        deliverer = Deliverer(
            self._store,
            notebook,
            self._poster,
            put=self._put_again,
            secrets=settings.otp_events_secrets,
            channels=self._channels,
            clock=self._clock,
            whole_numbers=settings.otp_events_numbers == "whole",
        )
        self._sender.deliver_with(deliverer)
        caretaker = Caretaker(notebook, deliverer, self._sender, self._put)
        return {EVENTS: caretaker.look, LIMIT: self._keep_small}

    def close(self) -> None:
        """Deliver what is at hand, and leave the rest to jobs that are due at once."""
        left, end = self._sender.stop(), time.monotonic() + HAND_OVER

        def hand_over(number: int) -> None:
            if time.monotonic() < end:  # what is left then has a job already, which comes later
                with suppress(StoreUnavailable):
                    self._put(job_id(left[number]), left[number].encode(), 0.0)

        Helpers(WRITERS).each(hand_over, len(left), WRITERS)
        self._poster.close()

    def _put_again(self, id_: str, payload: bytes, delay: float) -> None:
        """Put the job of what was not taken, and once in a while the one that counts all of that.

        All servers name the latter by the time, so that none puts off what another one has put.
        """
        self._put(id_, payload, delay)
        slot = int(self._clock().wall // LIMIT_EVERY)
        with self._limiting:
            is_new, self._limited = slot > self._limited, slot
        if is_new:
            self._put(f"{LIMIT}:{slot}", b"", LIMIT_EVERY)

    def _keep_small(self, _: bytes) -> None:
        keep_small(self._store)


def left_to_others(store: Store, notebook: Notebook, clock: Clock) -> Mapping[str, Handler]:
    """Return the handlers of the same jobs on a server without a receiver."""
    return {EVENTS: Bystander(store, notebook, clock).look, LIMIT: lambda _: None}
