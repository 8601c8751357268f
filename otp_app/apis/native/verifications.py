"""GET and DELETE /verifications/ID: what became of one, now or as soon as there is news, and ending it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from otp_app.apis.native import waiting
from otp_app.core.ledger import Status
from otp_app.core.results import VerificationView
from otp_app.web.access import requires
from otp_app.web.current import services
from otp_app.web.timeline import timeline

bp = Blueprint("verifications", __name__)


@bp.get("/verifications/<verification_id>")
@requires("verify")
def show(verification_id: str) -> Response:
    """Return the status and the timeline of messages, with what became of each; never the code."""
    return jsonify(waiting.seen(lambda: _shown(services().verifications.status(verification_id))))


@bp.delete("/verifications/<verification_id>")
@requires("verify")
def cancel(verification_id: str) -> Response:
    """End a pending verification: its code is no good any more."""
    return jsonify(_shown(services().verifications.cancel(verification_id)))


def _shown(view: VerificationView) -> dict[str, Any]:
    shown = timeline(view, services().channels)
    if view.verification.inbound and view.status == Status.APPROVED:
        shown["phone_number"] = view.phone
    return shown
