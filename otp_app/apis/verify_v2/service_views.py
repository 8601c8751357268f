"""Twilio's Verify services, made and changed over its API by an account; those of the settings are shown too."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from otp_app.apis.verify_v2 import parameters, resources
from otp_app.apis.verify_v2.accounts import ACCOUNT
from otp_app.apis.verify_v2.errors import Rejected, register_errors
from otp_app.apis.verify_v2.state import own_services
from otp_app.web.access import requires
from otp_app.web.form import fields

bp = Blueprint("verify_services", __name__, url_prefix="/v2/Services")
register_errors(bp)


@bp.post("")
@requires("verify", credentials=ACCOUNT)
def create() -> tuple[Response, int]:
    """Make a service."""
    chosen = {"name": ""} | parameters.service_fields(fields())
    return jsonify(resources.verify_service(own_services().create(**chosen))), 201


@bp.get("")
@requires("verify", credentials=ACCOUNT)
def index() -> Response:
    """Show a page of them."""
    size = parameters.number(request.args, "PageSize", 1, 1000, default=50)
    page = parameters.number(request.args, "Page", 0, 1000, default=0)
    return jsonify(resources.page_of_services(own_services().known(), page, size))


@bp.get("/<sid>")
@requires("verify", credentials=ACCOUNT)
def show(sid: str) -> Response:
    """Show one."""
    if service := own_services().whole(sid):
        return jsonify(resources.verify_service(service))
    raise Rejected(20404)


@bp.post("/<sid>")
@requires("verify", credentials=ACCOUNT)
def change(sid: str) -> Response:
    """Change what the form has."""
    chosen = parameters.service_fields(fields())
    return jsonify(resources.verify_service(own_services().update(sid, **chosen)))


@bp.delete("/<sid>")
@requires("verify", credentials=ACCOUNT)
def delete(sid: str) -> tuple[str, int]:
    """Let it be gone."""
    own_services().delete(sid)
    return "", 204
