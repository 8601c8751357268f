"""Whether Twilio's receipts would come through to this server, for `doctor`."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from urllib.parse import urlencode

from otp_app.channels.twilio.receipts import StatusCallbacks
from otp_app.channels.twilio.settings import STATUS_PATH
from otp_app.connections.probe import Answer, Unreachable, ask
from otp_app.core.errors import VerificationNotFound
from otp_app.settings import Settings
from otp_app.settings.diagnosis import Diagnosis, State
from otp_app.web.client import Forbidden
from otp_app.web.guard import BadHost

ABOUT = "OTP_PUBLIC_URL"
FORM = "application/x-www-form-urlencoded"
OUTSIDE = "this machine alone was asked: a firewall may still keep Twilio out"


def examine(settings: Settings) -> Iterator[Diagnosis]:
    """Post a receipt that is not signed, then a signed one of a message that nobody sent: neither changes anything."""
    fields = {"MessageSid": f"SM{secrets.token_hex(16)}", "MessageStatus": "sent"}
    url = f"{settings.otp_public_url}{STATUS_PATH}/VE{secrets.token_hex(16)}/{secrets.token_hex(16)}"
    content, form = urlencode(fields).encode(), {"Content-Type": FORM}
    try:
        unsigned = ask("POST", url, content, form)
        signed = ask("POST", url, content, form | StatusCallbacks.open(settings).signed(url, fields))
    except Unreachable as error:
        why = f"nothing answers there from this machine ({error})"
        remedy = "start the server and the proxy before it, and look at the name and the certificate: docs/delivery.md"
        yield Diagnosis(ABOUT, State.FAULT, why, remedy)
        return
    yield _diagnosis(unsigned, signed)


def _diagnosis(unsigned: Answer, signed: Answer) -> Diagnosis:
    if BadHost.code in (unsigned.error_type, signed.error_type):
        why = "the proxy there passes another host name on, which OTP_TRUSTED_HOSTS does not have"
        return Diagnosis(ABOUT, State.FAULT, why, "let it pass Host as it came (nginx: proxy_set_header Host $host)")
    if unsigned.error_type != Forbidden.code:
        why = f"another program answers there (HTTP {unsigned.status})"
        return Diagnosis(ABOUT, State.FAULT, why, "let the proxy pass /callbacks/ on to this server: docs/delivery.md")
    if signed.error_type == VerificationNotFound.code:
        return Diagnosis(ABOUT, State.OK, f"receipts come through, and their signature is right; {OUTSIDE}")
    why = "the server there takes a right signature for forged: it has another token, or another OTP_PUBLIC_URL"
    return Diagnosis(ABOUT, State.FAULT, why, "restart it after a change, and give both the same settings")
