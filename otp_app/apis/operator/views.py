"""The pages that only show something. None has a number in its address."""

from __future__ import annotations

from flask import Blueprint, Response, request

from otp_app.apis.operator.access import SESSION, renew
from otp_app.apis.operator.showing import FORGOTTEN, case_of, overview_of, page, sent_by_key
from otp_app.core.endings import Kind
from otp_app.web.access import requires
from otp_app.web.current import services

bp = Blueprint("operator", __name__)
bp.after_request(renew)

KEY_DAYS = 30


@bp.get("/operator")
@requires("admin", credentials=SESSION, page=True)
def first() -> Response:
    """Today and the last 30 days, and what goes wrong."""
    kind = Kind.NOTIFICATION if request.args.get("of") == "notifications" else Kind.VERIFICATION
    return page("overview", overview=overview_of(kind), kind=kind, now=services().clock().wall)


@bp.get("/operator/verifications/<verification_id>")
@requires("admin", credentials=SESSION, page=True)
def verification(verification_id: str) -> Response:
    """What became of a verification or a notification."""
    found = case_of(verification_id)
    return page("case", case=found, now=services().clock().wall) if found else page("search", 404, fault=FORGOTTEN)


@bp.get("/operator/keys")
@requires("admin", credentials=SESSION, page=True)
def keys() -> Response:
    """The API keys by name, with what they may do and what was sent with them."""
    return page("keys", keys=services().settings.otp_api_keys, used=sent_by_key(KEY_DAYS), kinds=list(Kind),
                days=KEY_DAYS)
