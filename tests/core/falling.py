"""Servers over one store whose messages are followed by another channel, and the jobs that they put."""

from __future__ import annotations

from typing import Any

from otp_app.core.delivery import ErrorClass, Explanation
from otp_app.core.ledger import Send
from otp_app.core.receipts import Receipt, Status
from otp_app.core.reminders import Reminders
from otp_app.core.service import VerificationService
from otp_app.stores.memory import MemoryJobs
from tests.core.fakes import PHONE, SENT, FakeChannel, World

AFTER = 30.0  # seconds of silence
LEASE = 20.0
FRAUD = 30450


class Explaining(FakeChannel):
    """A channel that knows one error which is no better elsewhere."""

    def explain(self, provider_code: int) -> Explanation:
        return Explanation(ErrorClass.UNKNOWN, "", elsewhere=provider_code != FRAUD)


class Falling:
    """A world of WhatsApp, then SMS. Each call is of a fresh server."""

    def __init__(self, *names: str, after: float = AFTER, **world: Any) -> None:
        channels = tuple(Explaining(name) for name in names or ("whatsapp", "sms"))
        self.world = World(channels=channels, **world)
        self.jobs = MemoryJobs(lambda: self.world.clock.wall)
        self.world.reminders = Reminders(self.jobs.put, after=after, reporting={"whatsapp", "sms"})

    def channel(self, name: str) -> FakeChannel:
        return next(channel for channel in self.world.channels if channel.name == name)

    def sends(self) -> tuple[Send, ...]:
        """Of the newest verification."""
        return self.world.ledger().verifications[-1].sends

    def report(self, status: str, code: int = 0, send: Send | None = None) -> bool:
        """The provider reports something, by default of the newest message."""
        send = send or self.sends()[-1]
        verification, _ = self.world.ledger().by_send(send.id) or (None, None)
        assert verification
        provider_id = send.provider_id or SENT.provider_id
        return self.world.service().receive(Receipt(verification.id, send.id, provider_id, Status(status), code))

    def work(self, server: VerificationService | None = None) -> int:
        """Do what is due until nothing is; return how many jobs that were."""
        server, count = server or self.world.service(), 0
        while taken := self.jobs.take(LEASE, 10):
            for job in taken:
                again = server.handlers[job.id.partition(":")[0]](job.payload)
                self.jobs.done(job) if again is None else self.jobs.put(job.id, job.payload, again)
                count += 1
        return count

    def wait(self, seconds: float) -> None:
        """Let time pass, and have done what is due then."""
        self.world.clock.forward(seconds)
        self.work()

    def texts(self) -> list[tuple[str, str]]:
        """All messages: the channel, and the code."""
        return [(send.channel, self._code(send)) for send in self.sends() if self._code(send)]

    def _code(self, send: Send) -> str:
        found = (message.code for message in self.channel(send.channel).messages if message.send_id == send.id)
        return next(found, "")

    def check(self, code: str) -> bool:
        return self.world.service().check(code, phone_number=PHONE).approved
