"""The outcomes of Twilio's answers and error numbers. No other file reads them.

A message counts as refused only where Twilio certainly did not take it, or says that it will not arrive. An
answer that cannot be read for certain is unknown: the message may be on its way, and a second one would cost money and
confuse.
"""

from __future__ import annotations

import json
import re
from typing import Any

from twilio.base.exceptions import (  # type: ignore[import-untyped]
    TwilioRestException,
    TwilioServiceException,
)

from otp_app.channels.twilio.transport import NotSent, Throttled
from otp_app.core.delivery import Delivery, Finding, Outcome, Reason

_SID = re.compile(r"\A(?:SM|MM)[0-9a-f]{32}\Z")
_VERIFICATION = re.compile(r"\AVE[0-9a-f]{32}\Z")
_DEAD = ("failed", "undelivered", "canceled")
_BY_STATUS = {401: Reason.AUTH, 429: Reason.THROTTLED}
_UNKNOWN = Delivery(Outcome.UNKNOWN)
_NO_MORE_CHECKS = 60202
_FINDINGS = {
    "approved": Finding.RIGHT,
    "pending": Finding.WRONG,
    "max_attempts_reached": Finding.SPENT,
    **dict.fromkeys(("canceled", "expired", "deleted", "failed"), Finding.GONE),
}

# Numbers and meanings are those of https://www.twilio.com/docs/api/errors. What is not here goes by the HTTP status:
# any other refusal is a fault of our request or our account.
REASONS = {
    # the recipient
    21211: Reason.BAD_NUMBER,  # To is no number
    21265: Reason.BAD_NUMBER,  # To is a short code
    21266: Reason.BAD_NUMBER,  # To is the sender
    21612: Reason.BAD_NUMBER,  # no route from this sender to this number
    21614: Reason.BAD_NUMBER,  # no mobile number
    21635: Reason.BAD_NUMBER,  # a landline (since July 2024, before that 21614)
    30005: Reason.BAD_NUMBER,  # the carrier does not know the number
    30006: Reason.BAD_NUMBER,  # a landline, or no carrier reaches it
    60200: Reason.BAD_NUMBER,  # Verify: To
    60205: Reason.BAD_NUMBER,  # Verify: landline
    63003: Reason.BAD_NUMBER,  # not on WhatsApp
    63024: Reason.BAD_NUMBER,  # no WhatsApp user
    63031: Reason.BAD_NUMBER,  # To is the sender, on WhatsApp
    63032: Reason.BAD_NUMBER,  # WhatsApp does not deliver to this user
    21610: Reason.OPTED_OUT,  # the recipient answered STOP
    63014: Reason.OPTED_OUT,  # the recipient blocked the sender
    63033: Reason.OPTED_OUT,  # the same, the older number
    # the destination
    21408: Reason.BLOCKED,  # the country is off in the account's geo permissions
    60605: Reason.BLOCKED,  # Verify: geo permissions
    30450: Reason.SUSPICIOUS,  # protection against pumping
    60410: Reason.SUSPICIOUS,  # Verify: fraud guard
    # too much at once: later it works by itself
    20429: Reason.THROTTLED,  # the account's requests at one moment
    21611: Reason.THROTTLED,  # the sender's queue is full
    30001: Reason.THROTTLED,  # the queue is full
    60202: Reason.THROTTLED,  # Verify: checks of one verification
    60203: Reason.THROTTLED,  # Verify: sends of one verification
    60212: Reason.THROTTLED,  # Verify: requests for one number at one moment
    63018: Reason.THROTTLED,  # WhatsApp's rate for this sender
    # credentials, account, sender, template: a person has to mend it
    20003: Reason.AUTH,  # credentials wrong, or without permission
    10001: Reason.ACCOUNT,  # account suspended
    20005: Reason.ACCOUNT,  # account not active
    20008: Reason.ACCOUNT,  # test credentials
    20404: Reason.ACCOUNT,  # no such account, or Verify service
    21212: Reason.ACCOUNT,  # From is no number
    21603: Reason.ACCOUNT,  # no From
    21606: Reason.ACCOUNT,  # From is not ours, or cannot send
    21608: Reason.ACCOUNT,  # a trial account reaches verified numbers only
    21655: Reason.ACCOUNT,  # ContentSid
    21656: Reason.ACCOUNT,  # ContentVariables
    21659: Reason.ACCOUNT,  # From is not Twilio's, or a short code of another country
    21660: Reason.ACCOUNT,  # From is another account's
    21703: Reason.ACCOUNT,  # the messaging service has no fitting sender
    21705: Reason.ACCOUNT,  # MessagingServiceSid
    21910: Reason.ACCOUNT,  # whatsapp: on one side only
    30002: Reason.ACCOUNT,  # account suspended
    30034: Reason.ACCOUNT,  # sender not registered for the United States
    60204: Reason.ACCOUNT,  # Verify: a feature is off
    60223: Reason.ACCOUNT,  # Verify: the channel is off
    63001: Reason.ACCOUNT,  # the channel's credentials
    63005: Reason.ACCOUNT,  # content not accepted by the channel
    63007: Reason.ACCOUNT,  # the WhatsApp sender is not set up
    63008: Reason.ACCOUNT,  # the channel is not set up
    63013: Reason.ACCOUNT,  # against the channel's policy
    63015: Reason.ACCOUNT,  # sandbox: the recipient has not joined
    63016: Reason.ACCOUNT,  # free text outside the 24-hour window
    63020: Reason.ACCOUNT,  # the business has not accepted Twilio's invitation
    63021: Reason.ACCOUNT,  # the template's content does not fit
    63027: Reason.ACCOUNT,  # no template in this language
    63028: Reason.ACCOUNT,  # number of template variables
    63041: Reason.ACCOUNT,  # template paused
    63042: Reason.ACCOUNT,  # template disabled
    63051: Reason.ACCOUNT,  # the WhatsApp Business account is locked
}

HINTS = {
    20003: "check TWILIO_ACCOUNT_SID with TWILIO_AUTH_TOKEN, or TWILIO_API_KEY_SID with TWILIO_API_KEY_SECRET",
    20404: "check TWILIO_ACCOUNT_SID, and TWILIO_VERIFICATION_SERVICE_SID where codes go through Twilio Verify",
    21608: "a trial account reaches only numbers that are verified in Twilio's console",
    63015: "the recipient has to join the WhatsApp sandbox first, and again after three days",
    63016: "outside the 24 hours after a recipient's own message WhatsApp takes only an approved template: set "
    "TWILIO_CONTENT_SID",
}


def of_message(message: Any) -> Delivery:
    """Return the delivery of a message resource, with which Twilio answered."""
    if not isinstance(message.sid, str) or not _SID.match(message.sid):
        return _UNKNOWN
    if message.status in _DEAD:
        code = _number(message.error_code)
        return Delivery(Outcome.REFUSED, message.sid, REASONS.get(code or 0, Reason.FAILED), code)
    return Delivery(Outcome.SENT, message.sid)


def of_verification(verification: Any) -> Delivery:
    """Return the delivery of a verification that was started: anything but a pending one may have sent a message."""
    sid = verification.sid
    known = isinstance(sid, str) and _VERIFICATION.match(sid) and verification.status == "pending"
    return Delivery(Outcome.SENT, sid) if known else _UNKNOWN


def of_check(resource: Any) -> Finding:
    """Return what the status of a verification says of an attempt at its code, or of ending it."""
    return _FINDINGS.get(resource.status, Finding.UNKNOWN) if isinstance(resource.status, str) else Finding.UNKNOWN


def of_failed_check(error: Exception) -> Finding:
    """Return what an exception says of an attempt; Twilio forgets what has ended, and answers 404."""
    match error:
        case Throttled():
            return Finding.SPENT if _code_in(error.answer) == _NO_MORE_CHECKS else Finding.NOT_ASKED
        case TwilioRestException(status=404) | TwilioServiceException(status=404):
            return Finding.GONE
    return Finding.NOT_ASKED if of_error(error).outcome is Outcome.REFUSED else Finding.UNKNOWN


def of_error(error: Exception) -> Delivery:
    """Return the delivery of an exception of the SDK or the transport."""
    match error:
        case NotSent():
            return Delivery(Outcome.REFUSED, reason=Reason.UNREACHABLE)
        case Throttled():
            return Delivery(Outcome.REFUSED, "", Reason.THROTTLED, _code_in(error.answer), error.retry_after)
        case TwilioRestException() | TwilioServiceException():
            return _of_refusal(_number(error.status), _number(error.code))
        case _:
            return _UNKNOWN


def explain(code: int | None) -> str:
    """Return what the operator can do about an error number."""
    if code is None:
        return "without an error number"
    return f"error {code}: {HINTS.get(code, f'see https://www.twilio.com/docs/api/errors/{code}')}"


def _of_refusal(status: int | None, code: int | None) -> Delivery:
    """Return the delivery of an HTTP status of failure. The SDK puts it in place of a missing error number."""
    if status is None or not 400 <= status < 500:
        return _UNKNOWN
    reason = _BY_STATUS.get(status) or REASONS.get(code or 0, Reason.ACCOUNT)
    return Delivery(Outcome.REFUSED, reason=reason, provider_code=None if code == status else code)


def _code_in(answer: str) -> int | None:
    try:
        return _number(json.loads(answer)["code"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


def _number(value: object) -> int | None:
    return value if type(value) is int else None
