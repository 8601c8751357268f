"""POST /notifications/batch: one template for many recipients."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from otp_app.apis.notifications.fields import MOST_RECIPIENTS, BatchFields, RecipientFields
from otp_app.apis.notifications.state import State
from otp_app.apis.notifications.views import queued
from otp_app.core.errors import OtpError
from otp_app.core.notifications import View
from otp_app.core.queueing import Request
from otp_app.web import errors, rejections
from otp_app.web.access import requires
from otp_app.web.batches import MOST_BODY, PATH
from otp_app.web.body import BadRequest, document, read_object
from otp_app.web.current import caller, idempotency_key, origin, state

bp = Blueprint("notification_batches", __name__)


@bp.post(PATH)
@requires("notify")
def notify_all() -> Response:
    """Queue a notification for each recipient who can have one; the answer has a result for each, in their order."""
    said = document(MOST_BODY)
    all_have, queue = read_object(BatchFields, said), state(State).queue
    queue.template(all_have.template)
    recipients = said.get("recipients")
    if not (isinstance(recipients, list) and 0 < len(recipients) <= MOST_RECIPIENTS):
        raise BadRequest(f"recipients must be a list of 1 to {MOST_RECIPIENTS} recipients")
    requests = [_request(all_have, recipient) for recipient in recipients]
    key = idempotency_key([all_have.template, all_have.channel, all_have.locale, recipients])
    answers = queue.send_all(requests, caller().scope, key)
    results = [_result(answer) for answer in answers]
    count = sum("id" in result for result in results)
    response = jsonify({"results": results, "queued": count, "refused": len(results) - count})
    response.status_code = 202
    return response


def _request(all_have: BatchFields, recipient: Any) -> Request | OtpError:
    if not isinstance(recipient, dict):
        return BadRequest("A recipient must be a JSON object")
    try:
        said = read_object(RecipientFields, recipient)
    except BadRequest as error:
        return error
    locale, channel = said.locale or all_have.locale, all_have.channel or None
    return Request(said.phone_number, all_have.template, said.variables, channel, locale, origin("notifications"))


def _result(answer: View | OtpError) -> dict[str, Any]:
    """Return what a request for this recipient alone would get, errors too."""
    if isinstance(answer, OtpError):
        return {"error": errors.shown(rejections.of_error(answer))}
    return queued(answer)
