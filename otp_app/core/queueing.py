"""The queue of notifications: takes them, one or many in a request, and each once for an Idempotency-Key."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from msgspec.structs import replace

from otp_app.core.codes import LedgerIds
from otp_app.core.errors import (
    BadVariables,
    InvalidInput,
    KeyLimitReached,
    OtpError,
    StoreUnavailable,
    UnknownChannel,
    UnknownTemplate,
)
from otp_app.core.idempotency import IdempotentSends, Key
from otp_app.core.instant import Clock
from otp_app.core.ledger import NO_ORIGIN, Origin
from otp_app.core.notification import Notification
from otp_app.core.notification_templates import Template
from otp_app.core.notifications import Notifications, View
from otp_app.core.parallel import Helpers
from otp_app.core.phone import Phone
from otp_app.core.policy import DAY
from otp_app.core.recipients import Recipients
from otp_app.core.results import SendRequest
from otp_app.core.store import Store
from otp_app.core.texts import LOCALE

WRITERS = 16  # threads of a batch: a store commits together what is written at once
MOST_HELPERS = 64  # threads of all batches of this process, beside those of the requests


@dataclass(frozen=True, slots=True)
class Request:
    """What a caller wants to be sent to one number."""

    phone_number: str
    template: str
    variables: Mapping[str, str] = field(default_factory=dict)
    channel: str | None = None  # the only one to use; None: those of the route
    locale: str = ""
    origin: Origin = NO_ORIGIN  # for the history


class Plan(NamedTuple):
    """A notification that may be queued, as far as can be said without the store."""

    request: Request
    phone: Phone
    values: tuple[str, ...]  # in the order of the template
    route: tuple[str, ...]


class Queue:
    """Takes requests. `per_number` and `per_key` are the most notifications in a day."""

    def __init__(
        self,
        store: Store,
        notifications: Notifications,
        recipients: Recipients,
        templates: Mapping[str, Template],
        *,
        idempotent: IdempotentSends,
        ids: LedgerIds,
        clock: Clock,
        per_number: int,
        per_key: int,
    ) -> None:
        self._store, self._notifications, self._recipients = store, notifications, recipients
        self._templates, self._idempotent, self._ids, self._clock = templates, idempotent, ids, clock
        self._per_number, self._per_key = per_number, per_key
        self._helpers = Helpers(MOST_HELPERS)

    def template(self, name: str) -> Template:
        """Return the template of this name. Raises UnknownTemplate."""
        if name in self._templates:
            return self._templates[name]
        raise UnknownTemplate("template must be one of: " + ", ".join(self._templates))

    def send(self, request: Request, caller: str, key: Key | None = None) -> View:
        """Queue one notification. Raises what stands in the answer of `send_all`, and what that raises."""
        (answer,) = self.send_all([request], caller, key)
        if isinstance(answer, OtpError):
            raise answer
        return answer

    def send_all(
        self, requests: Sequence[Request | OtpError], caller: str, key: Key | None = None
    ) -> list[View | OtpError]:
        """Queue notifications; return, in their order, each or why it is not sent.

        With a key a repeated call returns those that an earlier one has queued. Raises KeyLimitReached (nothing is
        queued), IdempotencyMismatch, StoreUnavailable.
        """
        plans = [self._plan(request) for request in requests]
        held = self._idempotent.hold(key) if key else None
        answers: list[View | OtpError] = []
        try:
            answers = self._queue_all(plans, caller, key)
        finally:
            if key and held and not any(isinstance(answer, View) for answer in answers):
                with suppress(StoreUnavailable):  # then the key is bound to this request for a day
                    self._idempotent.release(key, held)
        return answers

    def _queue_all(self, plans: Sequence[Plan | OtpError], caller: str, key: Key | None) -> list[View | OtpError]:
        count = len(plans)
        named = [self._ids.notification(_name(key, n) if key else "") for n in range(count)]
        there: list[Notification | None] = [None] * count
        if key:
            there = self._helpers.each(lambda n: self._notifications.find(named[n]), count, WRITERS)
        new = sum(isinstance(plan, Plan) and before is None for plan, before in zip(plans, there, strict=True))
        give_back = self._reserve(caller, new)
        answers = self._helpers.each(lambda n: self._queued(plans[n], named[n], there[n]), count, WRITERS)
        give_back(new - sum(is_new for _, is_new in answers))
        return [answer for answer, _ in answers]

    def _queued(self, plan: Plan | OtpError, name: str, there: Notification | None) -> tuple[View | OtpError, bool]:
        """Return the answer for a plan, and whether it is a notification that was not there before."""
        if isinstance(plan, OtpError):
            return plan, False
        try:
            kept, is_new = (there, False) if there else self._queue(plan, name)
        except OtpError as error:
            return error, False
        return View(kept, self._clock()), is_new

    def _queue(self, plan: Plan, name: str) -> tuple[Notification, bool]:
        phone, request = plan.phone.e164, plan.request
        stamp, at = self._recipients.count(phone, plan.values, self._per_number), round(self._clock().wall, 3)
        record = Notification(name, phone, request.template, at, plan.route, request.variables, request.locale)
        if self._notifications.recorder:
            record = replace(record, origin=request.origin._replace(country=plan.phone.country))
        kept = self._notifications.queue(record)
        if kept is not record:  # the same call at the same time was faster
            self._recipients.give_back(phone, stamp)
        return kept, kept is record

    def _plan(self, request: Request | OtpError) -> Plan | OtpError:
        if isinstance(request, OtpError):
            return request
        try:
            return self._planned(request)
        except OtpError as error:
            return error

    def _planned(self, request: Request) -> Plan:
        template = self.template(request.template)
        if request.locale and not LOCALE.fullmatch(request.locale):
            raise InvalidInput("locale must be a language tag, such as en or pt-BR, of 1000 characters at most")
        if fault := template.fault_of(request.variables, request.locale):
            raise BadVariables(fault)
        phone = self._recipients.phone(request.phone_number)
        able = self._notifications.able(template)
        route = [c for c in self._recipients.channels_for(phone, SendRequest(channel=request.channel)) if c in able]
        if not route:
            raise UnknownChannel("channel: this template has no text for a channel that reaches this number")
        values = tuple(request.variables[name] for name in template.variables)
        return Plan(request, phone, values, tuple(route))

    def _reserve(self, caller: str, count: int) -> Callable[[int], None]:
        """Count so many notifications of a caller; return what takes some back. Raises KeyLimitReached."""
        now = self._clock().wall
        counter = f"notified:{caller}/{int(now // DAY)}"

        def give_back(unused: int) -> None:
            if unused:
                with suppress(StoreUnavailable):  # they count, which is safe
                    self._store.add(counter, -unused, 2 * DAY)

        if count and self._store.add(counter, count, 2 * DAY) > self._per_key:
            give_back(count)
            wait = DAY - now % DAY
            raise KeyLimitReached("This API key has had all its notifications for today", wait, self._per_key, DAY)
        return give_back


def _name(key: Key, number: int) -> str:
    """Return the words of which the id of one notification of a call is made: the same ones each time."""
    return "\0".join([key.entry, key.fingerprint, str(number)])
