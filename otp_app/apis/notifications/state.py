"""What the views of notifications work with, beside what all APIs do."""

from __future__ import annotations

from dataclasses import dataclass

from otp_app.core.notifications import Notifications
from otp_app.core.queueing import Queue


@dataclass(frozen=True, slots=True)
class State:
    """Takes requests, and knows what became of each."""

    queue: Queue
    notifications: Notifications
