"""What the service returns: the result of a send, and a view of a verification."""

from __future__ import annotations

from dataclasses import dataclass

from otp_app.core.delivery import Outcome
from otp_app.core.instant import Instant
from otp_app.core.ledger import Status, Verification
from otp_app.core.phone import mask
from otp_app.core.policy import Policy


@dataclass(frozen=True, slots=True)
class VerificationView:
    """What is known of a verification but its code, at one moment and for one API's policy."""

    verification: Verification
    phone: str  # E.164: for callers that may see the whole number; `to` is for all
    at: Instant
    policy: Policy

    @property
    def to(self) -> str:
        """The number, masked."""
        return mask(self.phone)

    @property
    def status(self) -> Status:
        """The status, expiry included."""
        return self.verification.status_at(self.at)

    @property
    def attempts_left(self) -> int:
        """Attempts that this API still allows."""
        return self.policy.attempts_left(self.verification.attempts)

    @property
    def expires_in(self) -> float:
        """Seconds of life that are left; 0 once it has ended."""
        return self.verification.left(self.at)


@dataclass(frozen=True, slots=True)
class SendResult:
    """The result of a send, as an idempotency key remembers it."""

    verification_id: str
    to: str  # masked
    channel: str
    outcome: Outcome  # sent, or unknown: it may arrive
    expires_in: float  # seconds
    resend_in: float  # seconds until no limit of the number holds the next message back
    sends_left: int | None  # None: no caps


@dataclass(frozen=True, slots=True)
class FreshSendResult(SendResult):
    """The result of a send that was just made: reading the verification afterwards could fail, though it was sent."""

    view: VerificationView
