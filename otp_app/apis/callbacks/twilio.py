"""POST /callbacks/twilio/status/VERIFICATION/SEND: Twilio reports what became of a message."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from flask import Blueprint, Response

from otp_app.apis.callbacks.signed import fields_of
from otp_app.channels.twilio.receipts import receipt
from otp_app.channels.twilio.settings import STATUS_PATH
from otp_app.core.errors import VerificationNotFound
from otp_app.web import callbacks, later
from otp_app.web.access import requires
from otp_app.web.application import WholeResponse
from otp_app.web.current import services

bp = Blueprint("callbacks", __name__)


@bp.post(f"{STATUS_PATH}/<verification_id>/<send_id>")
@requires(None, callback=True)
def status(verification_id: str, send_id: str) -> Response:
    """Note a receipt. One that is repeated, late or of an unknown status changes nothing, and is answered alike."""
    later.raise_fault()
    fields = fields_of(f"{STATUS_PATH}/{verification_id}/{send_id}", "A receipt", callbacks.MOST_RECEIPT)
    found = receipt(fields, verification_id, send_id)
    begin = services().receivers.get(verification_id[:2])
    if found:
        later.wait(partial(_wait, begin(found) if begin else lambda: False))
    return WholeResponse(status=204)


def _wait(is_known: Callable[[], bool]) -> None:
    if not is_known():
        raise VerificationNotFound("No such message")
