"""POST /resend-otp: the same code again."""

from __future__ import annotations

from flask import Blueprint, Response

from otp_app.apis.native.fields import SendFields
from otp_app.apis.native.send import answer, send_request
from otp_app.web.access import requires
from otp_app.web.body import BadRequest, document, read_object
from otp_app.web.current import once, services

bp = Blueprint("resend", __name__)


@bp.post("/resend-otp")
@requires("send", public=True)
def resend_otp() -> Response:
    """Send again by verification_id, or by phone_number; where nothing is pending a new code is sent."""
    fields, verifications = read_object(SendFields, document()), services().verifications
    request, number, verification_id = send_request(fields), fields.phone_number or None, fields.verification_id
    if verification_id:
        return answer(once(fields, lambda before: verifications.resend(verification_id, request, before, number)))
    if not number:
        raise BadRequest("Phone number is required")
    return answer(once(fields, lambda before: verifications.send(number, request, before)))
