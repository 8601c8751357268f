"""GET /healthz: the process answers. GET /readyz: it can do its work."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from otp_app.apis.users.directories import Pingable
from otp_app.core.delivery import Channel
from otp_app.core.errors import OtpError
from otp_app.core.store import Store
from otp_app.web.current import services
from otp_app.web.needs import needs

bp = Blueprint("health", __name__)


@bp.get("/healthz")
@needs(None)
def healthz() -> Response:
    """Say ok, and nothing else."""
    return jsonify({"status": "ok"})


@bp.get("/readyz")
@needs("metrics", local=True)
def readyz() -> Response:
    """Try the store, every channel and the directory; 503 names those that do not work."""
    parts: dict[str, Store | Channel | Pingable] = {"store": services().store}
    parts |= {channel.name: channel for channel in services().channels}
    if isinstance(directory := services().directory, Pingable):
        parts["directory"] = directory
    faults = {}
    for name, part in parts.items():
        try:
            part.ping()
        except OtpError as error:
            faults[name] = error.code
    response = jsonify({"status": "unavailable" if faults else "ready", "faults": faults})
    response.status_code = 503 if faults else 200
    if faults:
        response.headers["Retry-After"] = "1"
    return response
