"""GET and DELETE /verifications/ID: what became of one, and ending it."""

from __future__ import annotations

from flask import Blueprint, Response

from otp_app.apis.native.timeline import answer
from otp_app.web.access import requires
from otp_app.web.current import services

bp = Blueprint("verifications", __name__)


@bp.get("/verifications/<verification_id>")
@requires("verify")
def show(verification_id: str) -> Response:
    """Return the status and the timeline of messages, with what became of each; never the code."""
    return answer(services().verifications.status(verification_id))


@bp.delete("/verifications/<verification_id>")
@requires("verify")
def cancel(verification_id: str) -> Response:
    """End a pending verification: its code is no good any more."""
    return answer(services().verifications.cancel(verification_id))
