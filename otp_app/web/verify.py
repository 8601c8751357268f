"""POST /verify-otp: is this the code?"""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from otp_app.core.transitions import Verdict
from otp_app.web.body import BadRequest, VerifyFields, read
from otp_app.web.current import services
from otp_app.web.needs import needs

bp = Blueprint("verify", __name__)


@bp.post("/verify-otp")
@needs("verify", public=True)
def verify_otp() -> Response:
    """Check otp for phone_number and purpose, or for verification_id. Other fields, `generated_otp` too, do nothing."""
    fields, by_id_only = read(VerifyFields), services().settings.otp_check_by == "id"
    if not fields.otp or not (fields.phone_number or fields.verification_id):
        raise BadRequest("Both OTP and phone number are required")
    if by_id_only and not fields.verification_id:
        raise BadRequest("verification_id is required")
    verdict = services().verifications.check(
        fields.otp,
        phone_number=fields.phone_number or None,
        verification_id=fields.verification_id or None,
        purpose=fields.purpose or None,
    )
    return answer(verdict)


def answer(verdict: Verdict) -> Response:
    """The words that old clients compare. Wrong, expired, used and unknown are told in one and the same way."""
    if not verdict.approved:
        response = jsonify({"success": False, "message": "OTP verification failed!"})
        response.status_code = 400
        return response
    return jsonify(
        {
            "success": True,
            "message": "OTP verification successful!",
            "status": verdict.status,
            "verification_id": verdict.verification_id,
        }
    )
