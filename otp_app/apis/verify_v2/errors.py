"""Refusals in Twilio's words: `{"code", "message", "more_info", "status"}`, numbered by its table of errors.

Never `type` or `title` beside them: Twilio's own clients would raise another exception for it.
"""

from __future__ import annotations

import math

from flask import Blueprint, Response, jsonify, request

from otp_app.core.delivery import Reason
from otp_app.web.rejections import BY_A_PERSON, RETRY_AFTER, Rejection

PREFIX = "/v2/"  # below it, and at it without the slash, every answer has Twilio's shape
MORE_INFO = "https://www.twilio.com/docs/errors/"

#: Twilio's number -> its HTTP status and message; {} is for what is wrong
WORDS = {
    20001: (400, "Bad request: {}"),
    20003: (401, "Authenticate"),
    20004: (405, "Method not allowed"),
    20403: (403, "Forbidden: {}"),
    20404: (404, "The requested resource {} was not found"),
    20429: (429, "Too Many Requests"),
    20500: (500, "An internal server error has occurred"),
    20503: (503, "Service is unavailable. Please try again"),
    21610: (400, "Attempt to send to unsubscribed recipient"),
    60200: (400, "Invalid parameter: {}"),
    60202: (429, "Max check attempts reached"),
    60203: (429, "Max send attempts reached"),
    60204: (403, "Service does not support this feature: {}"),
    60205: (403, "SMS is not supported by landline phone number"),
    60212: (429, "Too many concurrent requests for phone number"),
    60221: (400, "Either To or VerificationSid must be given"),
    60223: (403, "Delivery channel disabled: {}"),
    60410: (403, "The destination phone number has been blocked as suspicious"),
    60605: (403, "The destination phone number has been blocked: its country is not permitted"),
}
#: error_type of a native rejection -> Twilio's number; what is not named here goes by its status
NUMBERS: dict[str, int] = {
    "unauthorized": 20003,
    "forbidden": 20403,
    "service_fixed": 20403,
    "not_found": 20404,
    "service_not_found": 20404,
    "not_pending": 20404,
    "method_not_allowed": 20004,
    "invalid_phone": 60200,
    "landline": 60205,
    "invalid_input": 60200,
    "unknown_channel": 60223,
    "code_not_taken": 60204,
    "country_not_allowed": 60605,
    "too_many_sends": 60203,
    "verification_spent": 60203,
    "busy": 60212,
    Reason.BAD_NUMBER: 60200,
    Reason.BLOCKED: 60605,
    Reason.SUSPICIOUS: 60410,
    Reason.OPTED_OUT: 21610,
    Reason.FAILED: 20503,
}
#: What is wrong, where the native words are not about one of Twilio's parameters.
WHAT: dict[str, str] = {
    "invalid_phone": "To must be a mobile number in international form",
    Reason.BAD_NUMBER: "To is a number that the provider cannot reach",
}
BY_STATUS = {429: 20429, 500: 20500, 503: 20503}
OWN_STATUS = {413, 415}  # which say more than the 400 of their number


class Rejected(Exception):
    """A request that this API rejects itself, with Twilio's number of the error."""

    def __init__(self, number: int, what: str = "") -> None:
        super().__init__(number)
        self.number, self.what = number, what


def register_errors(*blueprints: Blueprint) -> None:
    """Let the views of these blueprints raise Rejected."""
    for blueprint in blueprints:
        blueprint.register_error_handler(Rejected, lambda error: answer(error.number, error.what))


def translated(rejection: Rejection) -> Response:
    """Return an error of the server in Twilio's shape."""
    overloaded = rejection.error_type == "busy" and rejection.status == 503  # the server's state, not the number's
    number = (not overloaded and NUMBERS.get(rejection.error_type)) or BY_STATUS.get(rejection.status, 20001)
    wait = rejection.retry_after
    if wait is None and WORDS[number][0] == 503 and rejection.error_type not in BY_A_PERSON:
        wait = math.ceil(RETRY_AFTER[503])
    what = WHAT.get(rejection.error_type, rejection.text)
    response = answer(number, what, wait, rejection.status if rejection.status in OWN_STATUS else None)
    if wait is not None:
        response.headers["Retry-After"] = str(wait)
    if number == 20003:
        response.headers["WWW-Authenticate"] = 'Basic realm="Verify"'
    if number == 20429 and rejection.limit:
        response.headers["Twilio-Reached-Rate-Limit"] = rejection.limit.name
    return response


def answer(number: int, what: str = "", retry_after: int | None = None, status: int | None = None) -> Response:
    """Return the answer of this number; `status` where it is not the number's own."""
    usual, message = WORDS[number]
    if number == 20404:
        what = request.path.removeprefix(PREFIX.rstrip("/"))
    status = status or usual
    body = {"code": number, "message": message.format(what), "more_info": f"{MORE_INFO}{number}", "status": status}
    if retry_after is not None:
        body["details"] = {"retry_after": retry_after}
    response = jsonify(body)
    response.status_code = status
    return response
