"""GET /: what this server is, and where to go on."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, jsonify, request

from otp_app.version import __version__
from otp_app.web.access import requires
from otp_app.web.api import Api
from otp_app.web.pages import page, pages

bp = Blueprint("root", __name__)


@bp.get("/")
@requires(None)
def root() -> Response:
    """Say what there is: to programs in JSON, and to a browser as a page."""
    apis: dict[str, Api] = current_app.extensions["otp_apis"]
    endpoints = {name: line for api in apis.values() for name, line in api.endpoints.items()}
    if "text/html" in request.headers.get("Accept", ""):
        response = page("root.html", endpoints=endpoints)
    else:
        response = jsonify({
            "message": "OTP Service API", "name": "otp_app", "version": __version__, "docs": "/docs",
            "openapi": "/openapi.json", "apis": sorted(apis), "endpoints": endpoints, "pages": pages(),
        })  # fmt: skip
    response.headers["Vary"] = "Accept"
    return response
