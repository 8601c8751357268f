"""A verification as its callers see it: its state, and what became of each of its messages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from math import ceil
from typing import Any

from otp_app.core.delivery import Channel, explain
from otp_app.core.ledger import Send, Status
from otp_app.core.notifications import View
from otp_app.core.results import StatusView, VerificationView


def timeline(view: VerificationView, channels: Iterable[Channel]) -> dict[str, Any]:
    """Return everything that a caller may know of a verification: as JSON, and never the code.

    Its `version` is another one as soon as anything else is, but for the seconds that are left.
    """
    verification, channels = view.verification, tuple(channels)
    shown: dict[str, Any] = {
        "verification_id": verification.id,
        "status": view.status,
        "to": view.to,
        "purpose": verification.purpose,
        "created_at": at(verification.begun.wall),
        "ended_at": _ended_at(view),
        "attempts": verification.attempts,
        "attempts_left": view.attempts_left,
        "tags": dict(verification.tags),
        "sends": _sends(verification.sends, channels),
    }
    if inbound := verification.inbound:
        shown["inbound"] = {"channel": inbound.channel or None, "provider_id": inbound.message_id or None}
    version = hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:16]
    if isinstance(view, StatusView):
        shown["resend_in"] = ceil(view.resend_in)
    return shown | {"expires_in": round(view.expires_in), "version": version}


def notification(view: View, channels: Iterable[Channel]) -> dict[str, Any]:
    """Return everything that a caller may know of a notification: as JSON, and not what it says."""
    record, channels = view.record, tuple(channels)
    return {
        "id": record.id,
        "status": view.status,
        "to": view.to,
        "template": record.template,
        "created_at": at(record.at),
        "reason": record.reason or None,
        "sends": _sends(record.sends, channels),
    }


def _ended_at(view: VerificationView) -> str | None:
    verification = view.verification
    if view.status == Status.PENDING:
        return None
    ended_at = verification.ended_at
    return at(verification.begun.wall + verification.life if ended_at is None else ended_at)


def _sends(sends: Sequence[Send], channels: Iterable[Channel]) -> list[dict[str, object]]:
    return [_send(send, [after.channel for after in sends[n:]], channels) for n, send in enumerate(sends, start=1)]


def _send(send: Send, later: list[str], channels: Iterable[Channel]) -> dict[str, object]:
    """Return what is known of a message: the last that its provider reported, else what it said at once.

    `later`: the channels of those after it.
    """

    def error(number: int) -> dict[str, object]:
        """The provider's number of an error, 0 for none, and what it means."""
        meaning = explain(channels, send.channel, number)
        return {
            "error_code": number or None,
            "error_class": meaning.error_class if meaning else None,
            "explanation": meaning.told(send.channel, later) if meaning else None,
        }

    return {
        "id": send.id,
        "channel": send.channel,
        "at": at(send.at),
        "delivery": send.receipts[-1].status if send.receipts else send.state,
        "reason": send.reason or None,
        **error(send.receipts[-1].code if send.receipts else send.error),
        "provider_id": send.provider_id or None,
        "receipts": [
            {"status": report.status, "at": at(report.at), **error(report.code)} for report in send.receipts
        ],
    }


def at(wall: float) -> str:
    """Return a time as it is shown."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
