"""The outcomes of Twilio's answers, by status and error number. No other file reads them.

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

from otp_app.channels.twilio import errors
from otp_app.channels.twilio.transport import NotSent, Throttled
from otp_app.core.delivery import Delivery, Finding, Outcome, Reason

_SID = re.compile(r"\A(?:SM|MM)[0-9a-f]{32}\Z")
_DIGITS = re.compile(r"\A[0-9]{1,9}\Z")
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


def of_message(message: Any) -> Delivery:
    """Return the delivery of a message, with which Twilio answered; raises AttributeError for other JSON."""
    sid, code = message.get("sid"), message.get("error_code")
    if not isinstance(sid, str) or not _SID.match(sid):
        return _UNKNOWN
    if message.get("status") in _DEAD:
        code = int(code) if isinstance(code, str) and _DIGITS.match(code) else _number(code)
        return Delivery(Outcome.REFUSED, sid, errors.reason(code) or Reason.FAILED, code)
    return Delivery(Outcome.SENT, sid)


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
    """Return the delivery of an exception of the SDK, of messages.py or of the transport."""
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
    return f"error {code}: {errors.meaning(code).sentence}"


def _of_refusal(status: int | None, code: int | None) -> Delivery:
    """Return the delivery of an HTTP status of failure. The SDK puts it in place of a missing error number."""
    if status is None or not 400 <= status < 500:
        return _UNKNOWN
    reason = _BY_STATUS.get(status) or errors.reason(code) or Reason.ACCOUNT
    return Delivery(Outcome.REFUSED, reason=reason, provider_code=None if code == status else code)


def _code_in(answer: str) -> int | None:
    try:
        return _number(json.loads(answer)["code"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


def _number(value: object) -> int | None:
    return value if type(value) is int else None
