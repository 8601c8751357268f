"""POST /send-otp: a code on its way to a phone."""

from __future__ import annotations

import math

from flask import Blueprint, Response, jsonify

from otp_app.core.delivery import Outcome
from otp_app.core.results import Sending
from otp_app.core.send_request import DEFAULT_PURPOSE, Wish
from otp_app.web.body import BadRequest, SendFields, read
from otp_app.web.current import caller, services
from otp_app.web.idempotency import once
from otp_app.web.needs import needs

bp = Blueprint("send", __name__)


@bp.post("/send-otp")
@needs("send", public=True)
def send_otp() -> Response:
    """Send a code to phone_number, or the same code again while one is pending."""
    fields = read(SendFields)
    if not fields.phone_number:
        raise BadRequest("Phone number is required")
    number, wish = fields.phone_number, wish_of(fields)
    return answer(once(fields, lambda begun: services().verifications.send(number, wish, begun)))


def wish_of(fields: SendFields) -> Wish:
    """What the caller chose."""
    return Wish(fields.purpose or DEFAULT_PURPOSE, fields.channel or None, fields.locale, caller().keyed)


def answer(sending: Sending) -> Response:
    """The words that old clients compare, and what a program needs beside them; 202 when nobody knows if it went."""
    known = sending.outcome == Outcome.SENT
    body = {
        "success": True,
        "message": "OTP sent successfully!" if known else "OTP sent, but the provider has not confirmed it.",
        "verification_id": sending.verification_id,
        "status": "pending",
        "to": sending.to,
        "channel": sending.channel,
        "expires_in": round(sending.expires_in),
        "resend_in": math.ceil(sending.resend_in),
    }
    if caller().keyed and sending.sends_left is not None:
        body["sends_left"] = sending.sends_left
    if not known:
        body["delivery"] = sending.outcome
    response = jsonify(body)
    response.status_code = 200 if known else 202
    return response
