"""What the views of callbacks work with, beside what all APIs do."""

from __future__ import annotations

from dataclasses import dataclass

from otp_app.channels.twilio.receipts import StatusCallbacks


@dataclass(frozen=True, slots=True)
class Callbacks:
    """The readers of what each provider posts, and the channels by which what people write proves their number."""

    twilio: StatusCallbacks
    proving: frozenset[str]
