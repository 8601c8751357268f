"""GET /healthz: the process answers. GET /readyz: it can do its work."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from otp_app.core.delivery import Channel
from otp_app.core.errors import OtpError
from otp_app.core.store import Store
from otp_app.version import __version__
from otp_app.web.access import requires
from otp_app.web.current import services
from otp_app.wiring import Pingable

bp = Blueprint("health", __name__)


@bp.get("/healthz")
@requires(None)
def healthz() -> Response:
    """Say ok, and nothing else."""
    return jsonify({"status": "ok"})


@bp.get("/readyz")
@requires("metrics")
def readyz() -> Response:
    """Try the store, every channel and what APIs have opened; 503 names those that do not work."""
    parts: dict[str, Store | Channel | Pingable] = {"store": services().store}
    parts |= {channel.name: channel for channel in services().channels}
    parts |= {name: part for name, part in services().opened.items() if isinstance(part, Pingable)}
    faults = {}
    for name, part in parts.items():
        try:
            part.ping()
        except OtpError as error:
            faults[name] = error.code
    response = jsonify({"status": "unavailable" if faults else "ready", "faults": faults, "version": __version__})
    response.status_code = 503 if faults else 200
    if faults:
        response.headers["Retry-After"] = "1"
    return response
