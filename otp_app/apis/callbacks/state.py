"""What the views of callbacks work with, beside what all APIs do."""

from __future__ import annotations

from dataclasses import dataclass

from otp_app.channels.twilio.receipts import StatusCallbacks


@dataclass(frozen=True, slots=True)
class Callbacks:
    """The readers of what each provider posts."""

    twilio: StatusCallbacks
