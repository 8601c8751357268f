"""The meter: counts what the core tells its listeners, and what requests, channels and the store take."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable
from functools import partial, wraps
from time import perf_counter
from typing import Any

from otp_app.core.delivery import Channel, Outcome, Reason
from otp_app.core.errors import LimitReached
from otp_app.core.events import (
    Approval,
    Canceled,
    Checked,
    Delivered,
    Event,
    NotChecked,
    OutcomeLost,
    Refused,
    Sent,
    Started,
    Undelivered,
)
from otp_app.core.phone import mask
from otp_app.core.store import Store
from otp_app.monitoring.metrics import families
from otp_app.monitoring.metrics.counts import Counts, Series
from otp_app.monitoring.metrics.families import Family
from otp_app.monitoring.watching import CALLS_OF_CHANNELS, CALLS_OF_STORES, Call, watch

#: what a check is counted as, by the status that the verification has after it
RESULTS = {"pending": "wrong", "max_attempts_reached": "max_attempts_reached"}

_HTTP, _CHECKS, _MESSAGES = families.HTTP.name, families.CHECKS.name, families.MESSAGES.name
_SECONDS, _OF_REQUESTS = families.HTTP_SECONDS.name, families.HTTP_SECONDS.width
_BUCKETS = families.HTTP_SECONDS.buckets



class Meter:
    """Counts for all processes that were forked with these counts. Nothing here waits for anybody or raises."""

    def __init__(self, counts: Counts) -> None:
        self.counts = counts
        self._usual: list[Series] = [(family.name,) for family in families.COUNTED if not family.labels]
        self._usual += [(families.CHECKS.name, result) for result in (*RESULTS.values(), "refused", "approved")]
        self._listeners: dict[type[Event], Callable[[Any], None]] = {
            Started: self._started, Sent: self._sent, Refused: self._refused, Delivered: self._delivered,
            Undelivered: self._undelivered, Checked: self._checked, NotChecked: self._not_checked,
            Canceled: lambda _: self._add(families.CANCELED), OutcomeLost: lambda _: self._add(families.LOST),
        }  # fmt: skip

    @property
    def begun(self) -> float:
        """When counting began, seconds since the epoch."""
        return self.counts.begun

    def totals(self) -> dict[Series, array[float]]:
        """Return what all processes have counted. What is usual is there from the start, as 0, since Prometheus sees no
        increase from nothing to one.
        """  # fmt: skip
        zero = array("d", [0.0])
        return dict.fromkeys(self._usual, zero) | self.counts.totals()

    def listen(self, event: Event) -> None:
        """A listener of the service: count an event."""
        if listener := self._listeners.get(type(event)):
            listener(event)

    def approved(self, approval: Approval) -> None:
        """A listener of approvals: count one."""
        self._add(families.APPROVALS, approval.channel, _calling_code(mask(approval.phone)))

    def requested(self, api: str, operation: str, status: str, seconds: float) -> None:
        """Count a request that was answered after so many seconds."""
        bucket = bisect_left(_BUCKETS, seconds)
        self.counts.both((_HTTP, api, operation, status), (_SECONDS, api, operation), _OF_REQUESTS, bucket, seconds)

    def rejected(self, api: str, error_type: str, error: Exception | None = None) -> None:
        """Count a request that was not done."""
        self._add(families.REJECTIONS, api, error_type)
        if isinstance(error, LimitReached):
            self._add(families.LIMITS, error.code, error.of)

    def called(self, method: str, code: str, seconds: float) -> None:
        """Count a gRPC call that was answered after so many seconds."""
        series, took = (families.GRPC.name, method, code), (families.GRPC_SECONDS.name, method)
        self.counts.both(series, took, families.GRPC_SECONDS.width, bisect_left(families.GRPC_SECONDS.buckets, seconds),
                         seconds)

    def took(self, queue: str) -> None:
        """Count a message that a worker begins with."""
        self._add(families.TAKEN, queue)

    def worked(self, queue: str, result: str, reason: str = "none") -> None:
        """Count a message by what a worker made of it."""
        self._add(families.WORKED, queue, result, reason)

    def expect_calls(self, methods: Iterable[str]) -> None:
        """Have what is usual of gRPC methods from the start, as 0."""
        self._usual += [(families.GRPC.name, method, code) for method in methods for code in ("OK", "INTERNAL")]

    def expect_messages(self, queue: str, defects: Iterable[str]) -> None:
        """Have what is usual of a queue from the start, as 0, and the dead letters that there should never be."""
        ends = [("done", "none"), ("left", "none"), *(("dead", reason) for reason in defects)]
        self._usual += [(families.TAKEN.name, queue), *((families.WORKED.name, queue, *end) for end in ends)]

    def time_channels(self, channels: Iterable[Channel]) -> None:
        """Measure what these channels take, from now on."""
        for channel in channels:
            self._usual += _usual(channel.name)
            watch(channel, CALLS_OF_CHANNELS, partial(self._timed, families.PROVIDER_SECONDS, (channel.name,)))

    def time_store(self, store: Store) -> None:
        """Measure what this store takes, from now on."""
        watch(store, CALLS_OF_STORES, partial(self._timed, families.STORE_SECONDS, ()))
        watch(store, ("begin_swap",), self._timed_to_its_end)

    def _timed(self, family: Family, labels: tuple[str, ...], name: str, call: Call) -> Call:
        series, observe = (family.name, *labels, name), self.counts.observe
        width, buckets = family.width, family.buckets

        @wraps(call)
        def timed(*args: Any, **kwargs: Any) -> Any:
            begin = perf_counter()
            try:
                return call(*args, **kwargs)
            finally:
                seconds = perf_counter() - begin
                observe(series, width, bisect_left(buckets, seconds), seconds)

        return timed

    def _timed_to_its_end(self, _: str, begin: Call) -> Call:
        """Measure a swap from its begin to the end of the wait for it."""
        series, observe = (families.STORE_SECONDS.name, "swap"), self.counts.observe
        width, buckets = families.STORE_SECONDS.width, families.STORE_SECONDS.buckets

        def begun(*args: Any) -> Call:
            started, wait = perf_counter(), begin(*args)

            def waited_for() -> Any:
                try:
                    return wait()
                finally:
                    seconds = perf_counter() - started
                    observe(series, width, bisect_left(buckets, seconds), seconds)

            return waited_for

        return begun

    # ---- events

    def _started(self, event: Started) -> None:
        self._add(families.STARTED, event.way, _calling_code(event.to))

    def _sent(self, event: Sent) -> None:
        self.counts.add((_MESSAGES, _kind(event), event.channel, event.outcome))

    def _refused(self, event: Refused) -> None:
        self._add(families.MESSAGES, _kind(event), event.channel, "refused")
        self._add(families.REFUSALS, _kind(event), event.channel, event.reason)

    def _delivered(self, event: Delivered) -> None:
        self._add(families.RECEIPTS, _kind(event), event.channel, event.status, "none")

    def _undelivered(self, event: Undelivered) -> None:
        self._add(families.RECEIPTS, _kind(event), event.channel, event.status, event.error_class)

    def _checked(self, event: Checked) -> None:
        self.counts.add((_CHECKS, RESULTS.get(event.status, event.status)))

    def _not_checked(self, _: NotChecked) -> None:
        self._add(families.CHECKS, "refused")

    def _add(self, family: Family, *labels: str) -> None:
        self.counts.add((family.name, *labels))


def _usual(channel: str) -> list[Series]:
    """Return the series of codes by a channel."""
    messages = [(families.MESSAGES.name, "verification", channel, outcome) for outcome in Outcome]
    refusals = [(families.REFUSALS.name, "verification", channel, reason) for reason in Reason]
    return [*messages, *refusals]


def _kind(event: Event) -> str:
    return "notification" if event.verification_id.startswith("NT") else "verification"


def _calling_code(masked: str) -> str:
    """Return what a masked number shows of its country: +44*******123 is of 44."""
    return masked[1:].partition("*")[0]
