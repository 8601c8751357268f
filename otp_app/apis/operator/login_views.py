"""/operator/login and the assets: what is served without a session."""

from __future__ import annotations

from flask import Blueprint, Response, request

from otp_app.apis.operator.access import keep, reject_other_sites, shown_cookie
from otp_app.apis.operator.pages import PATH
from otp_app.apis.operator.sessions import SCOPE
from otp_app.apis.operator.state import Operator
from otp_app.settings.types import ApiKey
from otp_app.system.logs import log
from otp_app.system.program import COMMAND
from otp_app.web import form
from otp_app.web.access import requires
from otp_app.web.client import Unauthorized, identified
from otp_app.web.current import caller, services, state
from otp_app.web.guard import count_wrong_key
from otp_app.web.limits import TooManyWrongKeys

bp = Blueprint("operator_login", __name__)

WRONG = "This server does not know this key."
NO_SCOPE = f"This key does not have the scope admin. Make one: {COMMAND} keys new NAME --scopes admin"


@bp.get("/operator/login")
@requires(None, page=True)
def login() -> Response:
    """Ask for an API key."""
    if state(Operator).sessions.find(shown_cookie(request) or ""):
        return Response(status=303, headers={"Location": PATH})
    return _page()


@bp.post("/operator/login")
@requires(None, page=True)
def log_in() -> Response:
    """Begin a session. A wrong key counts as one that an API was shown."""
    reject_other_sites()
    shown = form.fields().get("key", "").strip()
    try:
        key = _key(shown)
    except TooManyWrongKeys as error:
        return _page("Too many wrong keys. Wait a minute and try again.", 429, retry_after=error.retry_after)
    except Unauthorized:
        return _page(WRONG, 401)
    if key is None or SCOPE not in key.scopes:
        return _page(NO_SCOPE if key else WRONG, 403 if key else 401)
    log.info("operator: key %s logged in from %s", key.name, caller().address)
    answer = Response(status=303, headers={"Location": PATH})
    keep(answer, state(Operator).sessions.open(key))
    return answer


@bp.get("/operator/static/<name>")
@requires(None, page=True)
def static(name: str) -> Response:
    """The style sheet or the script."""
    return state(Operator).pages.files.answer(name)


def _key(shown: str) -> ApiKey | None:
    """Return the entry of a key; None without one. Raises Unauthorized, TooManyWrongKeys."""
    keys = services().settings.otp_api_keys
    name = identified(shown, caller().address, keys, count_wrong_key).name if shown else ""
    return next((key for key in keys if name and key.name == name), None)


def _page(fault: str = "", status: int = 200, retry_after: float | None = None) -> Response:
    operator = state(Operator)
    answer = operator.pages.render("login", status, fault=fault, has_keys=operator.sessions.has_keys)
    if retry_after:
        answer.headers["Retry-After"] = str(round(retry_after))
    return answer
