"""One number and its ledger, driven through the pure transitions without a store."""

from __future__ import annotations

from typing import Any

from otp_app.core.check_transitions import Verdict, check
from otp_app.core.delivery import Reason
from otp_app.core.instant import Instant
from otp_app.core.ledger import Ledger, Send, Verification
from otp_app.core.policy import Policy
from otp_app.core.send_transitions import SendPlan, begin, settle
from tests.core.fakes import PHONE, SENT, FakeClock, refused

POLICY = Policy()
CODE, WRONG = "012345", "999999"


class Number:
    """One number's ledger over time, driven through the transitions."""

    def __init__(self, policy: Policy = POLICY) -> None:
        self.clock, self.policy, self.ledger = FakeClock(), policy, Ledger(PHONE)
        self._ids = iter(range(10_000))

    @property
    def now(self) -> Instant:
        """What the clock shows."""
        return self.clock()

    def begin(
        self,
        purpose: str = "login",
        channels: tuple[str, ...] = ("sms",),
        *,
        authenticated: bool = False,
        test_code: str = "",
    ) -> tuple[Verification, Send]:
        """Count a message, as a send does before it leaves."""
        n = next(self._ids)
        plan = SendPlan(purpose, channels, authenticated, f"VE{n:032x}", f"VL{n:032x}", "k1", test_code or None)
        self.ledger, verification, send, *_ = begin(self.ledger, self.now, self.policy, plan, lambda v: CODE)
        return verification, send

    def send(self, **plan: Any) -> Verification:
        """Begin, and have it sent."""
        verification, send = self.begin(**plan)
        self.ledger = settle(self.ledger, self.now, send.id, SENT)
        return verification

    def refuse(self, reason: Reason, **plan: Any) -> Verification:
        """Begin, and have it refused."""
        verification, send = self.begin(**plan)
        self.ledger = settle(self.ledger, self.now, send.id, refused(reason))
        return verification

    def check(self, verification: Verification, attempt: str = CODE) -> Verdict:
        """Check a code; every code here is CODE."""
        target = self.ledger.by_id(verification.id)
        new, verdict = check(self.ledger, self.now, self.policy, target, attempt, lambda v: CODE)
        self.ledger = new or self.ledger
        return verdict

    def kill(self, **plan: Any) -> Verification:
        """Send, and use up all tries."""
        verification = self.send(**plan)
        for _ in range(self.policy.max_attempts):
            self.check(verification, WRONG)
        return verification

    def of(self, verification: Verification) -> Verification | None:
        """What has become of a verification."""
        return self.ledger.by_id(verification.id)
