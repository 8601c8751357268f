"""Register and verify a phone, in the words of the Django REST framework application that many clients know.

A session token names the verification that a register began. A rejection is `{"detail": …}`; what is wrong with fields
are lists of texts by field, and what is wrong with all of them together stands under `non_field_errors`.
"""

from __future__ import annotations

import re

from flask import Blueprint, Response, jsonify, request

from otp_app.apis.phone.fields import BAD_PHONE, READERS, InvalidFields, RegisterFields, VerifyFields, media_type, read
from otp_app.apis.phone.state import Phone
from otp_app.core.check_transitions import Verdict
from otp_app.core.codes import as_typed
from otp_app.core.errors import DeliveryRefused, InvalidPhone
from otp_app.core.ledger import Status
from otp_app.core.results import SendRequest
from otp_app.core.texts import LOCALE
from otp_app.web.access import requires
from otp_app.web.current import caller, once, origin, state
from otp_app.web.rejections import Rejection

PREFIX = "/api/phone"
sends = Blueprint("phone_register", __name__, url_prefix=PREFIX)
checks = Blueprint("phone_verify", __name__, url_prefix=PREFIX)

NOT_VALID = "Security code is not valid"
OVER = {
    Status.EXPIRED: "Security code has expired",
    Status.APPROVED: "Security code is already verified",
    Status.MAX_ATTEMPTS_REACHED: "Too many failed verification attempts. Please request a new code.",
}
#: What the one code of a sandbox is good in spite of, as in the original: only too many wrong codes stop it.
SANDBOX_PASSES = (NOT_VALID, OVER[Status.EXPIRED], OVER[Status.APPROVED])
MEDIA_TYPE = re.compile(r"[\w.+-]{1,64}/[\w.+-]{1,64}(; ?charset=[\w-]{1,32})?", re.ASCII)


@sends.post("/register")
@requires("send", public=True)
def register() -> Response:
    """Send a code, or the same code again while one is pending, and give a new token for it."""
    fields = read(RegisterFields)
    send_request = SendRequest(
        locale=_locale(), authenticated=caller().authenticated, code=state(Phone).new_code(), origin=origin("phone")
    )
    token = state(Phone).sessions.issue(fields.phone_number, _verification(fields, send_request))
    return jsonify({"session_token": token})


# It may be public, though it distinguishes expired from wrong: it does so only for a client with a session token. All
# others get the same answer for every number.
@checks.post("/verify")
@requires("verify", public=True)
def verify() -> Response:
    """Check a code for the verification that the session token names."""
    fields = read(VerifyFields)
    fault = _fault(fields)
    sandbox = state(Phone).chosen.is_sandbox(as_typed(fields.security_code))
    if fault and not (sandbox and fault in SANDBOX_PASSES):
        return _bad({"non_field_errors": [fault]})
    return jsonify({"message": "Security code is valid."})


def _fault(fields: VerifyFields) -> str:
    """Check the code, and return why it is not accepted; "" where it is."""
    phone = state(Phone)
    number, verification_id = phone.sessions.read(fields.session_token) or ("", "")
    if number != fields.phone_number:
        return NOT_VALID
    verdict = phone.verifications.check(fields.security_code, phone_number=number, verification_id=verification_id)
    return "" if verdict.approved else _failure(verdict)


def _verification(fields: RegisterFields, send_request: SendRequest) -> str:
    """Send, and return the id of the verification, also where no channel took the message; "" where none was counted.

    Clients expect a refused message to look like one that was sent.
    """
    service, number = state(Phone).verifications, fields.phone_number
    try:
        return once(fields, lambda before: service.send(number, send_request, before)).verification_id
    except DeliveryRefused as refused:
        return refused.verification_id


def _failure(verdict: Verdict) -> str:
    return NOT_VALID if verdict.counted or verdict.status is None else OVER.get(verdict.status, NOT_VALID)


def _locale() -> str:
    """Return the first language that the client names; "" where it names none."""
    tag = re.split("[,;]", request.headers.get("Accept-Language", ""), maxsplit=1)[0].strip()
    return tag if LOCALE.fullmatch(tag) else ""


def _bad(faults: dict[str, list[str]]) -> Response:
    response = jsonify(faults)
    response.status_code = 400
    return response


@sends.errorhandler(InvalidPhone)
def _bad_phone(_: InvalidPhone) -> Response:
    return _bad({"phone_number": [BAD_PHONE]})


@sends.errorhandler(InvalidFields)
@checks.errorhandler(InvalidFields)
def _bad_fields(error: InvalidFields) -> Response:
    return _bad(error.faults)


def detail(rejection: Rejection) -> Response:
    """Return an error in the words of Django REST framework."""
    response = jsonify({"detail": _text(rejection)})
    response.status_code = rejection.status
    return response


def _text(rejection: Rejection) -> str:
    match rejection.status:
        case 404:
            return "Not found."
        case 405:
            return f'Method "{request.method}" not allowed.'
        case 415 if media_type() not in READERS:
            shown = request.headers.get("Content-Type", "")
            return f'Unsupported media type "{shown if MEDIA_TYPE.fullmatch(shown) else ""}" in request.'
        case 429:
            wait = rejection.retry_after
            return f"Request was throttled. Expected available in {wait} second{'s' * (wait != 1)}."
    return rejection.text
