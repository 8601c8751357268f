"""POST /send-otp: a code on its way to a phone."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel

from otp_app.core.answers import Sending
from otp_app.core.idempotency import Key
from otp_app.core.interfaces import Outcome
from otp_app.core.service import Begun
from otp_app.core.wish import DEFAULT_PURPOSE, Wish
from otp_app.web.body import BadRequest, SendFields, read
from otp_app.web.current import caller, services
from otp_app.web.needs import needs

bp = Blueprint("send", __name__)

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


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


def once(fields: BaseModel, send: Callable[[Begun | None], Sending]) -> Sending:
    """Send, at most once for the request's Idempotency-Key where it has one."""
    text = request.headers.get("Idempotency-Key")
    if text is None:
        return send(None)
    if not _KEY.fullmatch(text):
        raise BadRequest("Idempotency-Key must be 1 to 255 visible ASCII characters")
    who = caller()
    asked = json.dumps([request.path, fields.model_dump()])
    return services().idempotent.once(Key(who.scope, text, asked), send)


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
