"""Errors as Connect's clients read them: by the `code` of a JSON object, whatever the body of the request was."""

from __future__ import annotations

from flask import Response, jsonify

from otp_app.web.rejections import Rejection

#: HTTP status of the server -> Connect's code, and the HTTP status that belongs to it
CODES = {
    400: ("invalid_argument", 400),
    401: ("unauthenticated", 401),
    403: ("permission_denied", 403),
    404: ("not_found", 404),
    405: ("unimplemented", 405),
    409: ("already_exists", 409),
    413: ("resource_exhausted", 413),
    415: ("invalid_argument", 415),
    422: ("invalid_argument", 400),  # the provider knows that the number is none
    429: ("resource_exhausted", 429),
    502: ("internal", 500),  # the provider took the message, and then did not send it
    503: ("unavailable", 503),
}


def rendered(rejection: Rejection) -> Response:
    """Return the answer for an RPC that was not done."""
    code, status = CODES.get(rejection.status, ("internal", 500))
    if rejection.error_type == "not_found":  # no such path; what an RPC does not find has a type of its own
        code = "unimplemented"
    response = jsonify({"code": code, "message": rejection.text})
    response.status_code = status
    return response
