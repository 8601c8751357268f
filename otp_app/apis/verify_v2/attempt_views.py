"""Twilio's Attempts and their Summary: the messages of verifications that have ended, from the history."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from otp_app.apis.verify_v2 import attempts
from otp_app.apis.verify_v2.accounts import ACCOUNT
from otp_app.apis.verify_v2.errors import Rejected, register_errors
from otp_app.web.access import requires

bp = Blueprint("verify_attempts", __name__, url_prefix="/v2/Attempts")
register_errors(bp)


@bp.get("")
@requires("verify", credentials=ACCOUNT)
def index() -> Response:
    """Show a page of them, the newest first."""
    return jsonify(attempts.page(request.args))


@bp.get("/Summary")
@requires("verify", credentials=ACCOUNT)
def summary() -> Response:
    """Count them."""
    return jsonify(attempts.summary(request.args))


@bp.get("/<sid>")
@requires("verify", credentials=ACCOUNT)
def show(sid: str) -> Response:
    """Show one."""
    if found := attempts.one(sid):
        return jsonify(found)
    raise Rejected(20404)
