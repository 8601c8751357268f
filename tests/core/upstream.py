"""A provider that makes and checks codes, as Twilio Verify does: one code of a number, ten minutes, five checks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from otp_app.core.delivery import Delivery, Finding, Maker, Message, Outcome
from tests.core.fakes import FakeChannel, FakeClock

MAKER = Maker("upstream", 6)


@dataclass
class Held:
    """What the provider knows of one of its verifications."""

    id: str
    to: str
    code: str
    made: float
    checks: int = 0
    status: str = "pending"


class Upstream:
    """The provider."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock, self.all = clock, list[Held]()

    def start(self, to: str) -> Held:
        """Send the pending code again, or a new one."""
        if not (held := self.find(to)):
            n = len(self.all)
            held = Held(f"VE{n:032x}", to, f"{(n + 1) * 111_111 % 10**6:06d}", self.clock.wall)
            self.all.append(held)
        return held

    def find(self, name: str) -> Held | None:
        """What is pending under an id or for a number."""
        fresh = (held for held in self.all if held.status == "pending" and self.clock.wall - held.made < 600)
        return next((held for held in fresh if name in (held.id, held.to)), None)

    def check(self, name: str, attempt: str) -> Finding:
        """Look at a code."""
        if not (held := self.find(name)):
            return Finding.GONE
        if held.checks == 5:
            return Finding.SPENT
        held.checks += 1
        held.status = "approved" if attempt == held.code else held.status
        return Finding.RIGHT if attempt == held.code else Finding.WRONG

    def end(self, name: str, status: str) -> bool:
        """End what is pending."""
        if held := self.find(name):
            held.status = status
        return True


class FakeChecker(FakeChannel):
    """A channel of that provider; `answers_lost` of its next findings are UNKNOWN, though it has looked."""

    maker = MAKER

    def __init__(self, clock: FakeClock, name: str = "sms", *, by_request: bool = False) -> None:
        super().__init__(name)
        self.by_request, self.upstream = by_request, Upstream(clock)
        self.asked: list[str] = []
        self.down, self.answers_lost = False, 0
        self.before_finding: Callable[[], object] = lambda: None

    def deliver(self, message: Message) -> Delivery:
        answer = super().deliver(message)
        if answer.outcome == Outcome.REFUSED:
            return answer
        held = self.upstream.start(message.to)
        return Delivery(answer.outcome, held.id if answer.outcome == Outcome.SENT else "")

    def check(self, name: str, attempt: str) -> Finding:
        if self.down:
            return Finding.NOT_ASKED
        self.asked.append(name)
        self.before_finding()
        finding = self.upstream.check(name, attempt)
        if self.answers_lost:
            self.answers_lost -= 1
            return Finding.UNKNOWN
        return finding

    def end(self, name: str, *, approved: bool) -> bool:
        return not self.down and self.upstream.end(name, "approved" if approved else "canceled")
