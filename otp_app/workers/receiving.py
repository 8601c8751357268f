"""A worker's threads: each receives, works and acknowledges on a connection of its own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import Event, Thread
from typing import TYPE_CHECKING

from otp_app.bus.connecting import Broker
from otp_app.bus.consumer import Consumer, Handler
from otp_app.bus.letters import Route
from otp_app.core.errors import OtpError
from otp_app.core.store import Store
from otp_app.settings import Settings
from otp_app.system.clock import system_clock
from otp_app.system.logs import log

if TYPE_CHECKING:
    from otp_app.monitoring.metrics.meter import Meter

#: what lets somebody read the metrics while a worker works; without a meter nobody does
Scraped = Callable[["Meter | None", Store | None], AbstractContextManager[None]]


def receive(
    settings: Settings,
    route: Route,
    handle: Handler,
    *,
    is_passing: Callable[[OtpError], bool],
    ttl: float,
    stopping: Event,
    meter: Meter | None = None,
) -> None:
    """Hand the messages of a queue to `handle` (see bus.consumer.Consumer), and return once `stopping` is set and those
    at hand are done.
    """
    broker, clock = Broker(settings.otp_amqp_url, quorum=settings.otp_amqp_quorum), system_clock()
    consumer = Consumer(
        broker, route, handle, is_passing=is_passing, ttl=ttl, wall=lambda: clock().wall, stopping=stopping,
        meter=meter,
    )  # fmt: skip
    threads = [Thread(target=consumer.run, name=f"consumer-{n}") for n in range(settings.otp_amqp_consumers)]
    for thread in threads:
        thread.start()
    log.info("receiving", extra={"fields": {"queue": route.queue, "consumers": len(threads)}})
    for thread in threads:
        thread.join()
