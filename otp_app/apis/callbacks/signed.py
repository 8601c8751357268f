"""What Twilio has signed, and nobody else."""

from __future__ import annotations

from flask import request

from otp_app.apis.callbacks.state import Callbacks
from otp_app.channels.twilio.receipts import Unsigned
from otp_app.system.logs import warn_seldom
from otp_app.web import body
from otp_app.web.client import Forbidden
from otp_app.web.current import services, state


def fields_of(path: str, rejected: str, most: int) -> dict[str, str]:
    """Return the fields of the current request, which was posted to this path below OTP_PUBLIC_URL, in `most` bytes.

    Raises Forbidden, and says so in the log in the words `rejected`, BadRequest, TooLarge.
    """
    query = request.environ.get("QUERY_STRING", "")
    url = f"{services().settings.otp_public_url}{path}" + (f"?{query}" if query else "")
    try:
        return state(Callbacks).twilio.read(url, request.headers, body.raw(most))
    except Unsigned as error:
        warn_seldom(
            f"{rejected} was rejected: {error}. Twilio signs the whole address with the account's token: check "
            "OTP_PUBLIC_URL and TWILIO_AUTH_TOKEN"
        )
        raise Forbidden("Twilio has not signed this") from None
