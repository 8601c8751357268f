"""Receipts: what a provider reports of a message after it took it. A pure function of (ledger, now, receipt).

Receipts come late, twice and in any order, so their statuses are ranked, and a message only moves forward.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from msgspec.structs import replace

from otp_app.core.delivery import Outcome
from otp_app.core.instant import Instant
from otp_app.core.ledger import LONGEST_PROVIDER_ID, Ledger, Report, Send, Verification


class Status(StrEnum):
    """What became of a message at its provider."""

    ACCEPTED = "accepted"
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"  # the provider handed it on
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    CANCELED = "canceled"
    DELIVERED = "delivered"  # it is on the phone
    READ = "read"


#: The provider gave the message up.
DEAD = frozenset({Status.UNDELIVERED, Status.FAILED, Status.CANCELED})
#: ... which nobody asked it to.
GIVEN_UP = DEAD - {Status.CANCELED}
ARRIVED = frozenset({Status.DELIVERED, Status.READ})
# A message that was given up may arrive all the same, from a carrier that was late; one that arrived stays there.
_ORDER = (
    *({Status.ACCEPTED, Status.SCHEDULED}, {Status.QUEUED}, {Status.SENDING}, {Status.SENT}),
    *(DEAD, {Status.DELIVERED}, {Status.READ}),
)
_RANKS: dict[str, int] = {status: rank for rank, group in enumerate(_ORDER, start=1) for status in group}


class Receipt(NamedTuple):
    """One report of a provider. The ids are those of our message, and the provider's own of it."""

    verification_id: str  # or the id of a notification
    send_id: str
    provider_id: str
    status: Status
    provider_code: int = 0  # its error number, 0 without one


def addressed(ledger: Ledger, receipt: Receipt) -> tuple[Verification, Send] | None:
    """Return the message that a receipt speaks of; None where it is not known, or is another one at the provider."""
    verification = ledger.by_id(receipt.verification_id)
    send = next((s for s in verification.sends if s.id == receipt.send_id), None) if verification else None
    return (verification, send) if verification and send and is_of(receipt, send) else None


def is_of(receipt: Receipt, send: Send) -> bool:
    """Return whether a receipt may speak of this message: the provider has no other name for it."""
    return receipt.send_id == send.id and send.provider_id in ("", _provider_id(receipt))


def receive(ledger: Ledger, now: Instant, receipt: Receipt) -> Ledger | None:
    """Note a receipt, of an ended verification too; None where it says nothing new, or is of no known message.

    It ends nothing and gives nothing back. It settles a send whose outcome was not known; but where the provider gave
    the message up before it answered, its answer decides, and another channel may follow.
    """
    found = addressed(ledger, receipt)
    send = reported(found[1], now, receipt) if found else None
    if found is None or send is None:
        return None
    has_left = send.state != found[1].state
    changed = found[0].with_message_out(send) if has_left else found[0].with_send(send)
    return ledger.with_verification(changed)


def reported(send: Send, now: Instant, receipt: Receipt) -> Send | None:
    """Return a message with a receipt of it; None where that is no step forward."""
    if _RANKS[receipt.status] <= rank(send):
        return None
    report = Report(receipt.status, round(now.wall, 3), receipt.provider_code)
    awaited = send.state == "pending" and receipt.status in DEAD
    has_left = send.state in ("pending", Outcome.UNKNOWN) and not awaited
    reports, state = (*send.receipts, report), str(Outcome.SENT) if has_left else send.state
    return replace(send, provider_id=_provider_id(receipt), receipts=reports, state=state)


def rank(send: Send) -> int:
    """Return how far a message is known to have come: more with each report that is noted."""
    return max((_RANKS.get(report.status, 0) for report in send.receipts), default=0)


def _provider_id(receipt: Receipt) -> str:
    return receipt.provider_id[:LONGEST_PROVIDER_ID]
