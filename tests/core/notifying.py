"""Servers over one store that send notifications, and the jobs that they put. Each call is of a fresh server."""

from __future__ import annotations

from typing import Any

from otp_app.core.delivery import ErrorClass, Explanation
from otp_app.core.idempotency import IdempotentSends, Key
from otp_app.core.notification import Notification
from otp_app.core.notification_templates import Approved, Template
from otp_app.core.notification_transitions import Following
from otp_app.core.notifications import Notifications, View
from otp_app.core.queueing import Queue, Request
from otp_app.core.receipts import Receipt, Status
from otp_app.stores.memory import MemoryJobs
from tests.core.fakes import PHONE, SENT, FakeChannel, World

AFTER = 30.0  # seconds of silence
LEASE = 20.0
STOP, FRAUD = 21610, 30450
TEMPLATES = {
    "shipped": Template(
        "Your order {number} is on its way.",
        {"es": "Tu pedido {number} está en camino."},
        Approved("HX" + "1" * 32, {"es": "HX" + "2" * 32}, {"1": "number"}),
    ),
    "text": Template("{what}"),
    "approved": Template(approved=Approved("HX" + "3" * 32)),
}


class Explaining(FakeChannel):
    """A channel that knows two errors which are no better elsewhere."""

    def __init__(self, name: str, *, takes_templates: bool) -> None:
        super().__init__(name)
        self.takes_templates = takes_templates

    def explain(self, provider_code: int) -> Explanation:
        kind = ErrorClass.OPTED_OUT if provider_code == STOP else ErrorClass.UNKNOWN
        return Explanation(kind, "", elsewhere=provider_code not in (STOP, FRAUD))


class Notifying:
    """A world of WhatsApp, then SMS."""

    def __init__(self, *names: str, receipts: bool = True, after: float = 0.0, **world: Any) -> None:
        channels = [Explaining(name, takes_templates=name == "whatsapp") for name in names or ("whatsapp", "sms")]
        self.world = World(channels=channels, **world)
        self.jobs = MemoryJobs(lambda: self.world.clock.wall)
        self.following = Following(receipts, after, frozenset({"whatsapp", "sms"}))
        self.templates, self.per_number, self.per_key = dict(TEMPLATES), 10, 1000

    def server(self) -> Notifications:
        verifications = self.world.service()
        return Notifications(
            self.world.store, self.world.channels, self.templates, put=self.jobs.put, ids=self.world.ids,
            clock=self.world.clock, opt_outs=verifications.opt_outs, is_test=verifications.recipients.is_test,
            following=self.following, notify=self.world.events.append, recorder=self.world.recorder,
        )  # fmt: skip

    def queue(self) -> Queue:
        return Queue(
            self.world.store, self.server(), self.world.service().recipients, self.templates,
            idempotent=IdempotentSends(self.world.store, self.world.clock), ids=self.world.ids,
            clock=self.world.clock, per_number=self.per_number, per_key=self.per_key,
        )  # fmt: skip

    def send(self, phone: str = PHONE, key: str = "", template: str = "shipped", **request: Any) -> str:
        """Queue one; return its id."""
        request = {"variables": {"number": "A1"} if template == "shipped" else {}} | request
        held = Key("key:shop", key, str((phone, template, request))) if key else None
        return self.queue().send(Request(phone, template, **request), "key:shop", held).record.id

    def view(self, notification_id: str) -> View:
        return self.server().view(notification_id)

    def record(self, notification_id: str) -> Notification:
        return self.view(notification_id).record

    def channel(self, name: str) -> FakeChannel:
        return next(channel for channel in self.world.channels if channel.name == name)

    def work(self) -> int:
        """Do what is due until nothing is; return how many jobs that were."""
        server, count = self.server(), 0
        while taken := self.jobs.take(LEASE, 10):
            for job in taken:
                again = server.handlers[job.id.partition(":")[0]](job.payload)
                self.jobs.done(job) if again is None else self.jobs.put(job.id, job.payload, again)
                count += 1
        return count

    def wait(self, seconds: float = 1.0) -> None:
        """Let time pass, and have done what is due then."""
        self.world.clock.forward(seconds)
        self.work()

    def report(self, notification_id: str, status: str, code: int = 0, number: int = -1) -> bool:
        """The provider reports something, by default of the newest message."""
        send = self.record(notification_id).sends[number]
        provider_id = send.provider_id or SENT.provider_id
        return self.server().receive(Receipt(notification_id, send.id, provider_id, Status(status), code))

    def messages(self) -> list[tuple[str, str]]:
        """All messages, by channel: the text, or the id of the approved template."""
        return [(c.name, m.content.sid if m.content else m.text) for c in self.world.channels for m in c.messages]
