"""A verification as its callers see it: its state, and what became of each of its messages."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Response, jsonify

from otp_app.core.delivery import explain
from otp_app.core.ledger import Report, Send
from otp_app.core.results import VerificationView
from otp_app.web.current import services


def answer(view: VerificationView) -> Response:
    """Return everything that a caller may know of a verification."""
    verification = view.verification
    return jsonify(
        {
            "verification_id": verification.id,
            "status": view.status,
            "to": view.to,
            "purpose": verification.purpose,
            "created_at": _time(verification.begun.wall),
            "expires_in": round(view.expires_in),
            "attempts_left": view.attempts_left,
            "sends": [_send(send) for send in verification.sends],
        }
    )


def _send(send: Send) -> dict[str, object]:
    """Return what is known of a message: the last that its provider reported, else what it said at once."""
    return {
        "id": send.id,
        "channel": send.channel,
        "at": _time(send.at),
        "delivery": send.receipts[-1].status if send.receipts else send.state,
        "reason": send.reason or None,
        "provider_id": send.provider_id or None,
        "receipts": [_receipt(send, report) for report in send.receipts],
    }


def _receipt(send: Send, report: Report) -> dict[str, object]:
    meaning = explain(services().channels, send.channel, report.code)
    return {
        "status": report.status,
        "at": _time(report.at),
        "error_code": report.code or None,
        "error_class": meaning.error_class if meaning else None,
        "explanation": meaning.sentence if meaning else None,
    }


def _time(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
