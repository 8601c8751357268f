"""Reminders: the jobs that look after a message later. They are put before what they are of, so none is missing."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection

from otp_app.core.errors import StoreUnavailable
from otp_app.core.ledger import Send, Verification
from otp_app.core.receipts import Receipt, Status

log = logging.getLogger(__name__)

DEAD, SILENT = "dead", "silent"  # names of jobs
FIRST = -3600.0  # seconds: a person waits for this code, so its job is taken before notifications that wait longer


class Reminders:
    """Puts jobs about messages that another channel may follow. `put` is core.jobs.Jobs.put."""

    def __init__(
        self, put: Callable[[str, bytes, float], None], *, after: float = 0.0, reporting: Collection[str] = ()
    ) -> None:
        """`after`: seconds of silence, 0 for never; `reporting`: channels whose provider reports what arrived."""
        self._put, self.after, self._reporting = put, after, frozenset(reporting)

    def of_death(self, receipt: Receipt) -> None:
        """Have the next channel used, with the receipt that says so. Raises StoreUnavailable."""
        self._put(f"{DEAD}:{receipt.send_id}", json.dumps(receipt).encode(), FIRST)

    def of_silence(self, verification: Verification, send: Send) -> None:
        """Have a message looked at that is counted and about to leave."""
        if not (self.after and send.route and send.channel in self._reporting):
            return
        try:
            self._put(f"{SILENT}:{send.id}", json.dumps([verification.id, send.id]).encode(), self.after)
        except StoreUnavailable:  # the message itself is counted, and better sent without
            log.warning("a message is sent, but no other channel will follow it: the store keeps no job")


def read_death(payload: bytes) -> Receipt:
    """Return the receipt of a job."""
    verification_id, send_id, provider_id, status, code = json.loads(payload)
    return Receipt(verification_id, send_id, provider_id, Status(status), code)


def read_silence(payload: bytes) -> tuple[str, str]:
    """Return the ids of verification and message of a job."""
    verification_id, send_id = json.loads(payload)
    return verification_id, send_id
