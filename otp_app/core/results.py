"""What the service answers to a send, and what it tells of a verification."""

from __future__ import annotations

from dataclasses import dataclass

from otp_app.core.delivery import Outcome
from otp_app.core.ledger import Status, Verification
from otp_app.core.phone import mask


@dataclass(frozen=True, slots=True)
class SendResult:
    """The answer to a send."""

    verification_id: str
    to: str  # masked
    channel: str
    outcome: Outcome  # sent, or unknown: it may arrive
    expires_in: float  # seconds
    resend_in: float  # seconds until no limit of the number refuses the next message
    sends_left: int | None  # None: no caps


@dataclass(frozen=True, slots=True)
class VerificationView:
    """What is known of a verification but its code. `phone` is for who may see it whole, `to` for everybody."""

    verification: Verification
    phone: str  # E.164
    status: Status
    attempts_left: int
    expires_in: float  # seconds; 0 when it is over

    @property
    def to(self) -> str:
        """The number, masked."""
        return mask(self.phone)
