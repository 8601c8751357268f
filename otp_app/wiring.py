"""The one place that names all parts: build(settings) -> Services."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from otp_app.background.jobs import Handler, JobRunner
from otp_app.background.sweeper import Sweeper
from otp_app.background.webhooks.opening import Webhooks, left_to_others
from otp_app.channels import open_channels
from otp_app.core.codes import CodeKeys, FixedCode, LedgerIds
from otp_app.core.delivery import Channel, reports_arrival
from otp_app.core.events import ApprovalListener, Event, Listener, tell
from otp_app.core.idempotency import IdempotentSends
from otp_app.core.instant import Clock
from otp_app.core.jobs import Jobs
from otp_app.core.limits import Bulkhead
from otp_app.core.receipts import Receipt
from otp_app.core.reminders import Reminders
from otp_app.core.service import VerificationService
from otp_app.core.store import Store
from otp_app.history.opening import History, open_history
from otp_app.monitoring.tracing import switch
from otp_app.plugins.approvals import bounded
from otp_app.plugins.loading import load_object
from otp_app.settings import Settings, keyring, policy
from otp_app.settings.exposure import is_open
from otp_app.stores import open_or_memory, open_store
from otp_app.system.clock import system_clock
from otp_app.system.logs import log, log_event

if TYPE_CHECKING:
    from otp_app.monitoring.metrics.meter import Meter
    from otp_app.monitoring.tracing.tracer import Tracer


class Opened(Protocol):
    """What an API has opened: it is closed with the services. One with a `ping` is Pingable, and asked by /readyz."""

    def close(self) -> None:
        """Give it back."""


@runtime_checkable
class Pingable(Protocol):
    """A part that can be asked whether it works."""

    def ping(self) -> None:
        """Raise an OtpError within 3 s while it does not."""


@runtime_checkable
class Counted(Protocol):
    """A part that knows how many entries it has."""

    def count(self) -> int:
        """Return their number. Raises an OtpError where it cannot be read."""


@dataclass(frozen=True)
class Services:
    """What APIs work with."""

    settings: Settings
    is_open: bool  # see settings.exposure
    verifications: VerificationService
    idempotent: IdempotentSends
    sends: Bulkhead  # of all APIs; a view that needs the scope "send" takes a place, and whatever asks a provider
    store: Store
    channels: Sequence[Channel]
    keys: CodeKeys
    ids: LedgerIds
    clock: Clock
    sweeper: Sweeper
    jobs: JobRunner | None = None  # None: the store keeps none
    handlers: dict[str, Handler] = field(default_factory=dict)  # of jobs, by the name that their ids begin with
    left_handlers: Mapping[str, Handler] = field(default_factory=dict)  # of jobs that other servers may have left
    webhooks: Webhooks | None = None  # None: nobody is told of events
    notify: Callable[[Event], None] = log_event  # of an event that is none of `verifications`
    meter: Meter | None = None  # None: nothing is counted
    history: History | None = None  # None: none is kept
    tracer: Tracer | None = None  # None: there are no traces
    #: what takes the receipts of messages, by the first two letters of the id that they are of; see core.receiver.begin
    receivers: dict[str, Callable[[Receipt], Callable[[], bool]]] = field(default_factory=dict)
    opened: dict[str, Opened] = field(default_factory=dict)  # by APIs, under the name that /readyz shows

    def do_jobs(self) -> None:
        """Begin to do what is due, if any part has jobs. Servers of HTTP do; others only put jobs, for them."""
        if self.jobs and self.handlers:  # where no job at all is done, those that another server left harm nobody
            self.jobs.start({**self.left_handlers, **self.handlers})

    def close(self) -> None:
        """Give everything back; what was answered is kept, and jobs at hand are done."""
        if self.webhooks:
            self.webhooks.close()
        if self.jobs:
            self.jobs.stop()
        if self.history:
            self.history.close()
        self.sweeper.stop()
        for part in (*self.channels, *self.opened.values()):
            part.close()
        self.store.close()
        if self.tracer:
            self.tracer.close()


def build(settings: Settings, clock: Clock | None = None, *, measured: bool = False) -> Services:
    """Return the services that these settings describe; `measured`: their metrics are read, whatever OTP_APIS says.

    Raises ValueError, BadKeyFile, StoreUnavailable.
    """
    clock, (keys, index_key) = clock or system_clock(), _keys(settings)
    store, channels = _store(settings), open_channels(settings)
    meter, tracer = open_meter(measured or settings.is_measured, store, channels), _tracer(store, channels)
    listeners, on_approved = _listeners(settings, meter)
    idempotent, sends = IdempotentSends(store, clock), Bulkhead(settings.otp_threads)
    jobs, ids = _runner(store), LedgerIds(index_key, secrets.token_bytes)
    webhooks = Webhooks(settings, store, channels, jobs.put, clock) if jobs and settings.otp_events_url else None
    history = open_history(settings, store, index_key, channels, clock)
    verifications = VerificationService(
        store,
        channels,
        policy=policy.numbers(settings),
        keys=keys, ids=ids, clock=clock, places=sends,
        texts=policy.texts(settings),
        countries=settings.otp_countries,
        test_numbers={test.phone: FixedCode(test.code, test.ends) for test in settings.otp_test_numbers},
        listeners=listeners, on_approved=on_approved,
        routes=_routes(settings, channels),
        reminders=_reminders(settings, channels, jobs),
        journal=webhooks.journal if webhooks else None,
        recorder=history,
    )
    return Services(
        settings,
        is_open(settings),
        verifications,
        idempotent=idempotent, sends=sends, store=store, channels=channels,
        keys=keys, ids=ids, clock=clock,
        sweeper=Sweeper(store, idempotent),
        jobs=jobs,
        handlers={**verifications.handlers, **(webhooks.open(verifications.notebook) if webhooks else {})},
        left_handlers=left_to_others(store, verifications.notebook, clock),
        webhooks=webhooks, notify=partial(tell, listeners), meter=meter, history=history, tracer=tracer,
        receivers={"VE": verifications.begin_receipt},
    )


def open_meter(measured: bool, store: Store | None = None, channels: Sequence[Channel] = ()) -> Meter | None:
    """Return what counts and measures, where somebody reads it: otherwise it is not even imported."""
    if not measured:
        return None
    from otp_app.monitoring.metrics import counts, meter

    found = meter.Meter(counts.inherited())
    found.time_channels(channels)
    if store:
        found.time_store(store)
    return found


def _tracer(store: Store, channels: Sequence[Channel]) -> Tracer | None:
    """Return what traces, where the environment asks for it: otherwise no package of it is even looked for."""
    if not (exporter := switch.exporter(os.environ)):
        return None
    from otp_app.monitoring.tracing import tracer

    found = tracer.opened(exporter, os.environ)
    found.trace_channels(channels)
    found.trace_store(store)
    return found


def _keys(settings: Settings) -> tuple[CodeKeys, bytes]:
    keyring.ensure(settings)
    return keyring.keys(settings)


def _runner(store: Store) -> JobRunner | None:
    kept: Jobs | None = getattr(store, "jobs", None)
    return JobRunner(kept) if kept else None


def _routes(settings: Settings, channels: Sequence[Channel]) -> dict[str, list[str]]:
    """Return the channels of each country by their own names, which a class of an operator chooses itself."""
    names = dict(zip(settings.otp_channels, (channel.name for channel in channels), strict=False))
    return {country: [names[given] for given in route] for country, route in settings.otp_routes.items()}


def _reminders(settings: Settings, channels: Sequence[Channel], jobs: JobRunner | None) -> Reminders | None:
    """Return what has another channel follow a message that did not arrive; None where that cannot be known."""
    if jobs is None or not settings.falls_back:
        return None
    reporting = {channel.name for channel in channels if reports_arrival(channel)}
    return Reminders(jobs.put, after=settings.otp_fallback_after, reporting=reporting)


def _listeners(settings: Settings, meter: Meter | None) -> tuple[list[Listener], list[ApprovalListener]]:
    """Return who is told of events, and of approvals."""
    own = [bounded(load_object(settings.otp_on_approved, "function"))] if settings.otp_on_approved else []
    return ([log_event, meter.listen], [meter.approved, *own]) if meter else ([log_event], own)


def _store(settings: Settings) -> Store:
    if not settings.otp_store_fallback:
        return open_store(settings.otp_store_url)
    store, away = open_or_memory(settings.otp_store_url)
    if away:
        log.warning("OTP_STORE_URL: %s", away)
    return store
