"""What the bus raises."""

from __future__ import annotations

from otp_app.core.errors import OtpError


class BusUnavailable(OtpError):
    """The broker did not confirm a message in time. It may have it all the same."""

    code = "bus_unavailable"

    def __init__(self, message: str = "The message broker is not available", retry_after: float = 1.0) -> None:
        super().__init__(message, retry_after)


class Dead(Exception):
    """A message with which nothing can be done, now or later. `reason` is a word for programs."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
