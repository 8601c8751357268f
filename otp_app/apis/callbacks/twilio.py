"""POST /callbacks/twilio/status/VERIFICATION/SEND: Twilio reports what became of a message."""

from __future__ import annotations

from flask import Blueprint, Response

from otp_app.apis.callbacks.signed import fields_of
from otp_app.channels.twilio.receipts import receipt
from otp_app.channels.twilio.settings import STATUS_PATH
from otp_app.core.errors import VerificationNotFound
from otp_app.web.access import requires
from otp_app.web.application import WholeResponse
from otp_app.web.current import services

bp = Blueprint("callbacks", __name__)


@bp.post(f"{STATUS_PATH}/<verification_id>/<send_id>")
@requires(None, callback=True)
def status(verification_id: str, send_id: str) -> Response:
    """Note a receipt. One that is repeated, late or of an unknown status changes nothing, and is answered alike."""
    fields = fields_of(f"{STATUS_PATH}/{verification_id}/{send_id}", "A receipt")
    found = receipt(fields, verification_id, send_id)
    receive = services().receivers.get(verification_id[:2])
    if found and not (receive and receive(found)):
        raise VerificationNotFound("No such message")
    return WholeResponse(status=204)
