"""GET and DELETE /verifications/ID: what became of one, and ending it."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Blueprint, Response, jsonify

from otp_app.core.results import VerificationView
from otp_app.web.access import requires
from otp_app.web.current import services

bp = Blueprint("verifications", __name__)


@bp.get("/verifications/<verification_id>")
@requires("verify")
def show(verification_id: str) -> Response:
    """Return the status and the timeline of sends; never the code."""
    return answer(services().verifications.status(verification_id))


@bp.delete("/verifications/<verification_id>")
@requires("verify")
def cancel(verification_id: str) -> Response:
    """End a pending verification: its code is no good any more."""
    return answer(services().verifications.cancel(verification_id))


def answer(view: VerificationView) -> Response:
    """Return everything that a caller may know of a verification."""
    verification = view.verification
    sends = [
        {"id": s.id, "channel": s.channel, "at": _time(s.at), "delivery": s.state, "reason": s.reason or None}
        for s in verification.sends
    ]
    return jsonify(
        {
            "verification_id": verification.id,
            "status": view.status,
            "to": view.to,
            "purpose": verification.purpose,
            "created_at": _time(verification.begun.wall),
            "expires_in": round(view.expires_in),
            "attempts_left": view.attempts_left,
            "sends": sends,
        }
    )


def _time(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
