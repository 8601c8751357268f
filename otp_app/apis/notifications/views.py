"""POST /notifications and GET /notifications/ID: one message without a code, and what became of it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from otp_app.apis.notifications.fields import NotificationFields
from otp_app.apis.notifications.state import State
from otp_app.core.notification import Status
from otp_app.core.notifications import View
from otp_app.core.queueing import Request
from otp_app.web.access import requires
from otp_app.web.body import document, read_object
from otp_app.web.current import caller, idempotency_key, origin, services, state
from otp_app.web.timeline import at, notification

bp = Blueprint("notifications", __name__)


@bp.post("/notifications")
@requires("notify")
def notify() -> Response:
    """Queue a notification. A repeated Idempotency-Key gets the first one, and queues nothing."""
    said = read_object(NotificationFields, document())
    channel, by = said.channel or None, origin("notifications")
    request = Request(said.phone_number, said.template, said.variables, channel, said.locale, by)
    view = state(State).queue.send(request, caller().scope, idempotency_key(said))
    response = jsonify(queued(view) | {"to": view.to, "template": said.template, "created_at": at(view.record.at)})
    response.status_code = 202
    return response


@bp.get("/notifications/<notification_id>")
@requires("notify")
def show(notification_id: str) -> Response:
    """Return the status and the messages, with what became of each."""
    return jsonify(notification(state(State).notifications.view(notification_id), services().channels))


def queued(view: View) -> dict[str, Any]:
    """Return what is said of a notification that was queued, now or before."""
    return {"id": view.record.id, "status": Status.QUEUED}
