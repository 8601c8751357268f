"""POST /verify-otp: is this the code?"""

from __future__ import annotations

from functools import partial

from flask import Blueprint, Response, jsonify

from otp_app.apis.native.fields import VerifyFields
from otp_app.apis.native.state import Native
from otp_app.core.check_transitions import Verdict
from otp_app.web import later
from otp_app.web.access import requires
from otp_app.web.body import BadRequest, document, read_object
from otp_app.web.current import services, state

bp = Blueprint("verify", __name__)


@bp.post("/verify-otp")
@requires("verify", public=True)
def verify_otp() -> Response:
    """Check otp for phone_number and purpose, or for verification_id. Other fields, `generated_otp` too, do nothing."""
    fields, by_id_only = read_object(VerifyFields, document()), services().settings.otp_check_by == "id"
    if not fields.otp or not (fields.phone_number or fields.verification_id):
        raise BadRequest("Both OTP and phone number are required")
    if by_id_only and not fields.verification_id:
        raise BadRequest("verification_id is required")
    _refuse_proof(fields)
    asked = {name: getattr(fields, name) or None for name in ("phone_number", "verification_id", "purpose")}
    service, code = services().verifications, fields.otp
    verdict = later.answer_of(partial(service.check, code, **asked), partial(service.begin_check, code, **asked))
    return answer(verdict, _proof(verdict, fields))


def _refuse_proof(fields: VerifyFields) -> None:
    """Refuse what no proof can be made for, while the code is still unused. Raises BadRequest."""
    if fields.proof_nonce and not fields.proof_audience:
        raise BadRequest("proof_nonce needs proof_audience")
    if fields.proof_audience and state(Native).proofs is None:
        raise BadRequest("proof_audience: this server gives no proofs")


def _proof(verdict: Verdict, fields: VerifyFields) -> dict[str, str]:
    proofs = state(Native).proofs if fields.proof_audience else None
    if proofs is None or verdict.approval is None:
        return {}
    return {"proof": proofs.token(verdict.approval, fields.proof_audience, fields.proof_nonce)}


def answer(verdict: Verdict, proof: dict[str, str]) -> Response:
    """The words that existing clients compare. A wrong, expired, used and unknown code get one and the same answer."""
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
            **proof,
        }
    )
