"""The service of notifications: queues them, and takes each to its end, on whichever server is there by then.

A notification is kept before it is answered for, and its job before that: a server that is killed between any two steps
loses none. Each message is in the record before it leaves: none is sent twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from msgspec.structs import replace

from otp_app.core import notification as records
from otp_app.core import swapping
from otp_app.core.codes import LedgerIds
from otp_app.core.delivery import (
    Channel,
    CodeChecker,
    CodeMaker,
    Delivery,
    ErrorClass,
    Message,
    Outcome,
    Reason,
    explain,
    takes_templates,
)
from otp_app.core.errors import Busy, NotificationNotFound, StoreUnavailable
from otp_app.core.events import Event, OutcomeLost, Refused, Sent
from otp_app.core.instant import Clock, Instant
from otp_app.core.journal import Recorder
from otp_app.core.ledger import Send
from otp_app.core.notification import LIFE, Notification, Status
from otp_app.core.notification_templates import Template
from otp_app.core.notification_transitions import Following, Step, next_step, receive, settle, without_template
from otp_app.core.opt_outs import OptOuts
from otp_app.core.phone import mask
from otp_app.core.receipts import GIVEN_UP, Receipt
from otp_app.core.receipts import Status as Reported
from otp_app.core.receiver import event_of
from otp_app.core.store import Store
from otp_app.core.swapping import Keep, Write

JOB = "notify"  # name of the jobs: one for each notification, and one for each message that was given up
QUEUING = 60.0  # seconds after which a job whose notification is not there has none
NOT_YET = 0.1  # seconds until it is looked for again
ELSEWHERE = 15.0  # seconds until another server may have the template
BUSY = "Too many changes of one notification at once"
PURPOSE = "notification"  # in events


@dataclass(frozen=True, slots=True)
class View:
    """What is known of a notification at one moment."""

    record: Notification
    at: Instant

    @property
    def status(self) -> Status:
        """What became of it."""
        return self.record.status(self.at)

    @property
    def to(self) -> str:
        """The number, masked."""
        return mask(self.record.phone)


class Work(NamedTuple):
    """What a job is for."""

    id: str
    at: float  # wall clock when it was queued
    receipt: Receipt | None = None  # the one for which the job was put, should its receiver not have come to it


class Notifications:
    """Sends notifications by jobs. `put` is core.jobs.Jobs.put; `handlers` do them."""

    def __init__(
        self,
        store: Store,
        channels: Sequence[Channel],
        templates: Mapping[str, Template],
        *,
        put: Callable[[str, bytes, float], None],
        ids: LedgerIds,
        clock: Clock,
        opt_outs: OptOuts,
        is_test: Callable[[str], bool],
        following: Following,
        notify: Callable[[Event], None],
        recorder: Recorder[Notification] | None = None,
    ) -> None:
        """`recorder`: where a history is kept; see journal.Recorder."""
        self._store, self._ids, self._clock, self._put = store, ids, clock, put
        self._channels = [c for c in channels if not isinstance(c, CodeMaker | CodeChecker)]
        self._templates, self._opt_outs, self._is_test = templates, opt_outs, is_test
        self._following, self._notify, self.recorder = following, notify, recorder
        self.handlers = {JOB: self.work}

    def able(self, template: Template) -> list[str]:
        """Return the channels that have something to say for a template."""
        return [c.name for c in self._channels if (template.approved if takes_templates(c) else template.text)]

    def queue(self, record: Notification) -> Notification:
        """Keep a new notification, and have it sent; return the one that is kept under its id, perhaps from before.

        Raises StoreUnavailable, after which it may be kept all the same.
        """
        self._put_job(Work(record.id, record.at), NOT_YET)
        now = self._clock()
        swap = self._store.swap(record.key, None, _written(record, now), record.lifetime(now))
        return record if swap.won or swap.found is None else _read(swap.found, now)

    def find(self, notification_id: str) -> Notification | None:
        """Return the notification with this id. Raises StoreUnavailable."""
        view = view_of(self._store, notification_id, self._clock())
        return view.record if view else None

    def view(self, notification_id: str) -> View:
        """Return what is known of a notification. Raises NotificationNotFound, StoreUnavailable."""
        if view := view_of(self._store, notification_id, self._clock()):
            return view
        raise NotificationNotFound("No such notification")

    def receive(self, receipt: Receipt) -> bool:
        """Note a receipt, and return whether its message is known; another channel may follow one that was given up.

        Raises Busy, StoreUnavailable.
        """
        record = self.find(receipt.verification_id)
        if record is None or not record.send(receipt.send_id):
            return False
        if receipt.status in GIVEN_UP and receive(record, self._clock(), receipt):
            if self._error_class(record, receipt) == ErrorClass.OPTED_OUT:
                self._opt_outs.stop(record.phone)
            if record.ended_at is None:
                self._put_job(Work(record.id, record.at, receipt), 0.0)
        self._note(receipt)
        return True

    def work(self, payload: bytes) -> float | None:
        """Do all that is due of a notification. Return None when nothing is left, or the seconds until something is.

        Raises Busy, StoreUnavailable.
        """
        work = _work(payload)
        if work.receipt:
            self._note(work.receipt)
        while (step := self._step(work)).send and step.record:
            self._deliver(step.record, step.send)
        return step.wait

    def _step(self, work: Work) -> Step:
        record = self.find(work.id)
        if record is None:
            age = abs(self._clock().wall - work.at)  # the clock of another server may be ahead
            return Step(None, wait=max(NOT_YET, age / 2) if age < QUEUING else None)
        template = self._templates.get(record.template)
        fits = template and not template.fault_of(record.variables, record.locale)
        able = self.able(template) if template else []
        stopped = record.ended_at is None and self._opt_outs.is_stopped(record.phone)

        def transition(record: Notification, now: Instant) -> Step:
            if not fits and (record.route or not record.sends):
                return without_template(record, now, ELSEWHERE)
            return next_step(
                record, now, self._following, send_id=self._ids.new_send(), able=able, stopped=stopped,
                helps=self._helps,
            )

        return self._change(record.key, transition)

    def _deliver(self, record: Notification, send: Send) -> None:
        delivery = Delivery(Outcome.SENT) if self._is_test(record.phone) else self._hand_over(record, send)
        subject, number = _subject(record), delivery.provider_code
        if delivery.outcome == Outcome.REFUSED:
            meaning = explain(self._channels, send.channel, number or 0)
            sentence = meaning.sentence if meaning else ""
            self._notify(Refused(*subject, send.id, send.channel, delivery.reason or "", number, sentence))
        else:
            self._notify(Sent(*subject, send.id, send.channel, delivery.outcome, delivery.provider_id))
        if delivery.reason == Reason.OPTED_OUT:
            self._opt_outs.stop(record.phone)
        try:
            self._change(record.key, lambda found, now: Step(settle(found, now, self._following, send.id, delivery)))
        except (Busy, StoreUnavailable):
            self._notify(OutcomeLost(*subject, send.id))
            raise

    def _hand_over(self, record: Notification, send: Send) -> Delivery:
        channel = next(c for c in self._channels if c.name == send.channel)
        template, values = self._templates[record.template], record.variables
        approved = template.approved if takes_templates(channel) else None
        return channel.deliver(Message(
            record.phone,
            code="",
            text=template.rendered(values, record.locale),
            ttl=max(record.at + LIFE - self._clock().wall, 1.0),
            send_id=send.id,
            verification_id=record.id,
            locale=record.locale,
            content=approved.content(values, record.locale) if approved else None,
        ))

    def _note(self, receipt: Receipt) -> None:
        def transition(record: Notification, now: Instant) -> Step:
            return Step(receive(record, now, receipt))

        key = records.key_of(receipt.verification_id)
        record = self._change(key, transition).record if key else None
        send = record.send(receipt.send_id) if record else None
        if record and send and (event := event_of(_subject(record), send, receipt, self._channels)):
            self._notify(event)

    def _change(self, key: str, transition: Callable[[Notification, Instant], Step]) -> Step:
        """Apply a transition to the record under a key in one atomic step, if there is one."""

        def step(stored: bytes | None) -> Keep[Step] | Write[Step]:
            now = self._clock()
            if stored is None:
                return Keep(Step(None))
            before = _read(stored, now)
            found = transition(before, now)
            if found.record is None:
                return Keep(found)
            write = Write(_written(found.record, now), found.record.lifetime(now), found)
            if not self.recorder or not self.recorder.takes(before, found.record):
                return write
            won = partial(self.recorder.changed, key, before, found.record)
            return write._replace(won=won, doubted=self.recorder.doubted)

        return swapping.change(self._store, key, step, self._store.get(key), proven=True, busy=BUSY)

    def _put_job(self, work: Work, delay: float) -> None:
        # A receipt has a job of its own: who does the other one may be about to put it off.
        name = f"{work.id}/{work.receipt.send_id}" if work.receipt else work.id
        self._put(f"{JOB}:{name}", json.dumps(work).encode(), delay)

    def _helps(self, send: Send) -> bool:
        meaning = explain(self._channels, send.channel, send.receipts[-1].code)
        return meaning is None or meaning.elsewhere

    def _error_class(self, record: Notification, receipt: Receipt) -> ErrorClass | None:
        send = record.send(receipt.send_id)
        meaning = explain(self._channels, send.channel, receipt.provider_code) if send else None
        return meaning.error_class if meaning else None


def _subject(record: Notification) -> tuple[str, str, str]:
    """The fields that every event has."""
    return record.id, mask(record.phone), PURPOSE


def _written(record: Notification, now: Instant) -> bytes:
    return records.encode(replace(record, seen=now))


def view_of(store: Store, notification_id: str, now: Instant) -> View | None:
    """Return what a store knows of a notification. Raises StoreUnavailable."""
    key = records.key_of(notification_id)
    data = store.get(key) if key else None
    return View(_read(data, now), now) if data is not None else None


def _read(data: bytes, now: Instant) -> Notification:
    try:
        return records.corrected(records.decode(data), now)
    except ValueError as error:
        raise StoreUnavailable("A record in the store cannot be read") from error


def _work(payload: bytes) -> Work:
    notification_id, at, receipt = json.loads(payload)
    if receipt is None:
        return Work(notification_id, at)
    verification_id, send_id, provider_id, status, code = receipt
    return Work(notification_id, at, Receipt(verification_id, send_id, provider_id, Reported(status), code))
