"""The forms: search, cancel, block, unblock, reset and log out. Numbers are in their bodies, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flask import Blueprint, Response

from otp_app.apis.operator import cases
from otp_app.apis.operator.access import SESSION, fields, forget, renew, session
from otp_app.apis.operator.pages import PATH
from otp_app.apis.operator.showing import FORGOTTEN, NO_MESSAGE, id_of_message, number_page, page
from otp_app.apis.operator.state import Operator
from otp_app.core.errors import InvalidPhone, NotPending, VerificationNotFound
from otp_app.core.phone import mask, spelling
from otp_app.system.logs import log
from otp_app.web.access import requires
from otp_app.web.body import BadRequest
from otp_app.web.current import services, state

bp = Blueprint("operator_actions", __name__)
bp.after_request(renew)

FIRST = "Write a number with its country code, such as +14155552671, or an id: VE, NT or Twilio's SM and 32 hex digits."


@bp.post("/operator/search")
@requires("admin", credentials=SESSION, page=True)
def search() -> Response:
    """Show a number, or lead to the page of an id."""
    wanted = fields().get("wanted", "").strip()
    if cases.VERIFICATION.fullmatch(wanted) or cases.NOTIFICATION.fullmatch(wanted):
        return _to_case(wanted)
    if cases.OF_PROVIDER.fullmatch(wanted):
        found = id_of_message(wanted)
        return _to_case(found) if found else page("search", 404, fault=NO_MESSAGE)
    try:
        phone = spelling(wanted)
    except InvalidPhone:
        return page("search", 400, fault=FIRST)
    return number_page(phone)


@bp.post("/operator/cancel")
@requires("admin", credentials=SESSION, page=True)
def cancel() -> Response:
    """End a pending verification."""
    id_ = fields().get("verification_id", "")
    try:
        services().verifications.cancel(id_)
    except NotPending:
        pass  # it has ended meanwhile, which its page shows
    except VerificationNotFound:
        return page("search", 404, fault=FORGOTTEN)
    else:
        _log(f"canceled {id_}")
    return _to_case(id_)


@bp.post("/operator/block")
@requires("admin", credentials=SESSION, page=True)
def block() -> Response:
    """Send nothing to a number any more."""
    return _change(services().verifications.numbers.block, "blocked", "Nothing is sent to this number any more.")


@bp.post("/operator/unblock")
@requires("admin", credentials=SESSION, page=True)
def unblock() -> Response:
    """Undo a block."""
    return _change(services().verifications.numbers.unblock, "unblocked", "Messages are sent to this number again.")


@bp.post("/operator/reset")
@requires("admin", credentials=SESSION, page=True)
def reset() -> Response:
    """Give a number its messages back."""
    reset_number = services().verifications.numbers.reset
    return _change(reset_number, "reset the limits of", "No limit delays the next message.")


@bp.post("/operator/logout")
@requires("admin", credentials=SESSION, page=True)
def log_out() -> Response:
    """End the session, whoever has kept its cookie."""
    fields()
    state(Operator).sessions.end(session())
    _log("logged out")
    answer = Response(status=303, headers={"Location": f"{PATH}/login"})
    forget(answer)
    return answer


def _change(change: Callable[[str], bool], logged: str, done: str) -> Response:
    phone = _phone(fields())
    if change(phone):
        _log(f"{logged} {mask(phone)}")
    return number_page(phone, done)


def _phone(given: Mapping[str, str]) -> str:
    """Return the number that a form names, itself or by a verification. Raises BadRequest, VerificationNotFound."""
    if id_ := given.get("verification_id"):
        if phone := services().verifications.status(id_).phone:
            return phone
        raise VerificationNotFound("The number of this verification is not known yet")
    try:
        return spelling(given.get("number", ""))
    except InvalidPhone:
        raise BadRequest("number must be a phone number, such as +14155552671") from None


def _to_case(id_: str) -> Response:
    return Response(status=303, headers={"Location": f"{PATH}/verifications/{id_}"})


def _log(what: str) -> None:
    log.info("operator: key %s %s", session().key.name, what)
