"""Users by id, in the words of a FastAPI server that many clients know: the operator's directory has their numbers.

An error is `{"detail": …}`: a text, a list of faults in a body, or for a check an object with its `error_type`.
"""

from __future__ import annotations

import math
from typing import Any

from flask import Blueprint, Response, jsonify

from otp_app.apis.users.fields import CheckFields, Unprocessable, UserFields, read
from otp_app.apis.users.state import Users
from otp_app.core.check_transitions import Verdict
from otp_app.core.delivery import Outcome
from otp_app.core.errors import DeliveryRefused, DirectoryUnavailable, InvalidPhone
from otp_app.core.ledger import Status
from otp_app.core.phone import mask, spelling
from otp_app.core.results import SendRequest
from otp_app.web.access import requires
from otp_app.web.current import caller, once, origin, state
from otp_app.web.rejections import RETRY_AFTER

sends = Blueprint("users_send", __name__)
checks = Blueprint("users_check", __name__)

#: The answers to checks that are not accepted: HTTP status, message, error_type.
WRONG = (400, "Invalid OTP. {left} attempts remaining", "invalid_code")
OVER = {
    Status.EXPIRED: (410, "OTP has expired", "expired"),
    Status.MAX_ATTEMPTS_REACHED: (429, "Too many failed attempts", "too_many_attempts"),
}
NO_NUMBER = "this user's phone number cannot be read: write it as text, such as +14155552671, or leave it empty"
NOTHING = (404, "No OTP found for this user or OTP has expired", "not_found")


@sends.post("/send-code")
@requires("send")
def send_code() -> Response:
    """Send a code to the number of a user."""
    fields = read(UserFields)
    number, user_id = _number(fields.user_id), fields.user_id
    if not number:
        return _detail(404, "User not found" if number is None else "Phone number not found for user")
    request = SendRequest(
        authenticated=caller().authenticated, from_directory=True, origin=origin("users")
    )
    try:
        result = once(fields, lambda before: state(Users).verifications.send(number, request, before))
    except DeliveryRefused:
        return _detail(500, "Failed to send OTP via SMS")
    known = result.outcome == Outcome.SENT
    message = "OTP sent successfully via SMS" if known else "OTP sent, but the provider has not confirmed it"
    # A repeated request gets the first answer, though the directory may have another number by now.
    whole = state(Users).expose_phone and mask(number) == result.to
    shown = number if whole else result.to
    response = jsonify({"message": message, "user_id": user_id, "phone": shown})
    response.status_code = 200 if known else 202
    return response


@checks.post("/verify-code")
@requires("verify")
def verify_code() -> Response:
    """Check a code. The end of a verification is reported once; afterwards there is nothing to check."""
    fields = read(CheckFields)
    number, user_id = _number(fields.user_id), fields.user_id
    verdict = state(Users).verifications.check(fields.passcode, phone_number=number) if number else Verdict()
    if verdict.approved:
        return jsonify({"success": True, "message": "OTP verified successfully", "user_id": user_id})
    status, message, kind = _failure(verdict)
    detail = {"success": False, "message": message.format(left=verdict.attempts_left), "user_id": user_id}
    return _detail(status, detail | {"error_type": kind})


def _number(user_id: str) -> str | None:
    """Return the number of a user in E.164, "" where there is none, None where there is no such user.

    Raises DirectoryUnavailable, also where what the directory has can be no number.
    """
    text = state(Users).directory.phone(user_id)
    try:
        return spelling(text) if text else text
    except InvalidPhone:
        raise DirectoryUnavailable(f"The directory is not available ({NO_NUMBER})") from None


def _failure(verdict: Verdict) -> tuple[int, str, str]:
    if verdict.counted:
        return WRONG
    return NOTHING if verdict.end_reported or verdict.status is None else OVER.get(verdict.status, NOTHING)


@sends.errorhandler(Unprocessable)
@checks.errorhandler(Unprocessable)
def _unprocessable(error: Unprocessable) -> Response:
    return _detail(422, error.faults)


def _detail(status: int, detail: Any) -> Response:
    response = jsonify({"detail": detail})
    response.status_code = status
    if status in RETRY_AFTER:
        response.headers["Retry-After"] = str(math.ceil(RETRY_AFTER[status]))
    return response
