"""POST /callbacks/twilio/inbound: Twilio brings what somebody wrote to a sender."""

from __future__ import annotations

from contextlib import suppress

from flask import Blueprint, Response

from otp_app.apis.callbacks.signed import fields_of
from otp_app.apis.callbacks.state import Callbacks
from otp_app.channels.twilio.inbound import Wish, incoming, twiml, wish
from otp_app.channels.twilio.settings import INBOUND_PATH
from otp_app.core.errors import InvalidPhone
from otp_app.core.inbound_transitions import Finding
from otp_app.core.phone import spelling
from otp_app.web import callbacks
from otp_app.web.access import requires
from otp_app.web.current import services, state

REPLIES = {
    Finding.CONFIRMED: "Your phone number is confirmed. Please go back to the app. If you did not start this yourself, "
                       "tell the app's support.",
    Finding.UNKNOWN: "We found no word here that is to be confirmed, or it has expired. To confirm your phone number, "
                     "start again in the app, and send the text that it shows as it is.",
    Finding.OTHER_NUMBER: "This is not the phone number that was to be confirmed. Please write from that phone, or "
                          "start again in the app.",
    Finding.NO_NUMBER: "WhatsApp has not told us your phone number, so we cannot confirm it. Please choose another way "
                       "in the app.",
    Finding.NOT_SERVED: "We cannot confirm phone numbers of this kind or country. Please choose another way in the "
                        "app.",
}  # fmt: skip

bp = Blueprint("inbound_messages", __name__)


@bp.post(INBOUND_PATH)
@requires(None, callback=True)
def inbound() -> Response:
    """Take a message: STOP and START, or the word of a verification. The reply to one that comes again is empty."""
    fields = fields_of(INBOUND_PATH, "A message that somebody wrote", callbacks.MOST_BODY)
    message, reply = incoming(fields), ""
    if message and (wanted := wish(fields)):
        _note(wanted, message.number)
    elif message and message.channel in state(Callbacks).proving:
        finding = services().verifications.inbound.take(message)
        reply = REPLIES[finding] if finding else ""
    return Response(twiml(reply), mimetype="text/xml")


def _note(wanted: Wish, number: str) -> None:
    """Note whether somebody wants notifications; Twilio itself answers, and refuses messages after STOP."""
    opt_outs = services().verifications.opt_outs
    with suppress(InvalidPhone):  # a sender without a number, to whom nothing is sent
        phone = spelling(number)
        if wanted == Wish.STOP:
            opt_outs.stop(phone)
        if wanted == Wish.START:
            opt_outs.start(phone)
