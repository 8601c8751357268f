"""POST /verifications/inbound: a word that proves the number from which it comes."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from otp_app.apis.inbound.fields import read
from otp_app.apis.inbound.state import Addresses
from otp_app.core.results import DEFAULT_PURPOSE, SendRequest
from otp_app.core.words import shown
from otp_app.web.access import requires
from otp_app.web.current import origin, services, state

sends = Blueprint("inbound", __name__)


@sends.post("/verifications/inbound")
@requires("send", public=True)
def begin() -> Response:
    """Begin a verification, and answer its word with links that open it as a message to this server."""
    fields, addresses = read(), state(Addresses)
    request = SendRequest(fields.purpose or DEFAULT_PURPOSE, tags=fields.tags, origin=origin("inbound"))
    view, word = services().verifications.inbound.begin(request, fields.phone_number)
    text = addresses.text(shown(word), request.purpose)
    return jsonify(
        {
            "success": True,
            "message": "Send the text from the phone whose number is to be confirmed.",
            "verification_id": view.verification.id,
            "status": view.status,
            "to": view.to,
            "word": shown(word),
            "text": text,
            "links": addresses.links(text),
            "expires_in": round(view.expires_in),
        }
    )
