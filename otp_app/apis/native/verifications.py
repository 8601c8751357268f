"""GET and DELETE /verifications/ID: what became of one, now or as soon as there is news, and ending it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from otp_app.apis.native import waiting
from otp_app.core.ledger import Status
from otp_app.core.results import VerificationView
from otp_app.web.access import requires
from otp_app.web.current import caller, services
from otp_app.web.timeline import timeline

bp = Blueprint("verifications", __name__)


@bp.get("/verifications/<verification_id>")
@requires("verify")
def show(verification_id: str) -> Response:
    """Return the status and the timeline of messages, with what became of each; never the code."""
    status, authenticated = services().verifications.status, caller().authenticated
    return jsonify(waiting.seen(lambda: _shown(status(verification_id, authenticated=authenticated))))


@bp.delete("/verifications/<verification_id>")
@requires("verify")
def cancel(verification_id: str) -> Response:
    """End a pending verification: its code is no good any more."""
    return jsonify(_shown(services().verifications.cancel(verification_id)))


def _shown(view: VerificationView) -> dict[str, Any]:
    is_proved = view.verification.inbound and view.status == Status.APPROVED
    return timeline(view, services().channels) | ({"phone_number": view.phone} if is_proved else {})
