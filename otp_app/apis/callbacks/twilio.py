"""POST /callbacks/twilio/status/VERIFICATION/SEND: Twilio reports what became of a message."""

from __future__ import annotations

from flask import Blueprint, Response, request

from otp_app.apis.callbacks.state import Callbacks
from otp_app.channels.twilio.receipts import Unsigned, receipt
from otp_app.channels.twilio.settings import STATUS_PATH
from otp_app.core.errors import VerificationNotFound
from otp_app.logs import warn_seldom
from otp_app.web import body, callbacks
from otp_app.web.access import requires
from otp_app.web.client import Forbidden
from otp_app.web.current import services, state

UNSIGNED = (
    "A receipt was rejected: %s. Twilio signs the whole address with the account's token: check OTP_PUBLIC_URL and "
    "TWILIO_AUTH_TOKEN"
)

bp = Blueprint("callbacks", __name__)


@bp.post(f"{STATUS_PATH}/<verification_id>/<send_id>")
@requires(None, callback=True)
def status(verification_id: str, send_id: str) -> Response:
    """Note a receipt. One that is repeated, late or of an unknown status changes nothing, and is answered alike."""
    query = request.environ.get("QUERY_STRING", "")
    path = f"{STATUS_PATH}/{verification_id}/{send_id}" + (f"?{query}" if query else "")
    url = f"{services().settings.otp_public_url}{path}"
    try:
        fields = state(Callbacks).twilio.read(url, dict(request.headers), body.raw(callbacks.MOST_BODY))
    except Unsigned as error:
        warn_seldom(UNSIGNED % error)
        raise Forbidden("Twilio has not signed this") from None
    found = receipt(fields, verification_id, send_id)
    if found and not services().verifications.receive(found):
        raise VerificationNotFound("No such message")
    return Response(status=204)
