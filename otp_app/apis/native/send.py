"""POST /send-otp: a code on its way to a phone."""

from __future__ import annotations

import math

from flask import Blueprint, Response, jsonify

from otp_app.apis.native.fields import SendFields
from otp_app.core.delivery import Outcome
from otp_app.core.results import DEFAULT_PURPOSE, SendRequest, SendResult
from otp_app.core.tags import fault_of
from otp_app.web.access import requires
from otp_app.web.body import BadRequest, document, read_object
from otp_app.web.current import caller, once, origin, services

bp = Blueprint("send", __name__)


@bp.post("/send-otp")
@requires("send", public=True)
def send_otp() -> Response:
    """Send a code to phone_number, or the same code again while one is pending."""
    fields = read_object(SendFields, document())
    if not fields.phone_number:
        raise BadRequest("Phone number is required")
    number, request = fields.phone_number, send_request(fields)
    return answer(once(fields, lambda before: services().verifications.send(number, request, before)))


def send_request(fields: SendFields) -> SendRequest:
    """What the caller chose. Raises BadRequest."""
    if fields.tags and (fault := fault_of(fields.tags)):
        raise BadRequest(fault)
    if fields.app_hash and not _may_name(fields.app_hash):
        raise BadRequest("app_hash: without an API key, only an app that this server knows")
    purpose, channel = fields.purpose or DEFAULT_PURPOSE, fields.channel or None
    by, known, tags = origin("native"), caller().authenticated, fields.tags
    return SendRequest(purpose, channel, fields.locale, known, tags=tags, app_hash=fields.app_hash, origin=by)


def _may_name(app_hash: str) -> bool:
    """Return whether the caller may have an app read the code.

    An app on the phone of a victim needs no permission for that, so strangers could have the codes of others.
    """
    settings = services().settings
    return caller().authenticated or not settings.otp_public or app_hash in settings.otp_app_hashes


def answer(result: SendResult) -> Response:
    """The words that existing clients compare, and what a program needs; 202 while the delivery is unknown."""
    known = result.outcome == Outcome.SENT
    body = {
        "success": True,
        "message": "OTP sent successfully!" if known else "OTP sent, but the provider has not confirmed it.",
        "verification_id": result.verification_id,
        "status": "pending",
        "to": result.to,
        "channel": result.channel,
        "expires_in": round(result.expires_in),
        "resend_in": math.ceil(result.resend_in),
    }
    if caller().authenticated and result.sends_left is not None:
        body["sends_left"] = result.sends_left
    if not known:
        body["delivery"] = result.outcome
    response = jsonify(body)
    response.status_code = 200 if known else 202
    return response
