"""Twilio's verifications: start, check, fetch and update."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from otp_app.apis.verify_v2 import parameters, resources
from otp_app.apis.verify_v2.accounts import ACCOUNT
from otp_app.apis.verify_v2.errors import Rejected, answer, register_errors
from otp_app.apis.verify_v2.service_registry import VerifyService
from otp_app.apis.verify_v2.state import Verify, own_services
from otp_app.core.codes import as_typed
from otp_app.core.errors import InvalidPhone
from otp_app.core.ledger import Status
from otp_app.core.results import SendRequest
from otp_app.web.access import requires
from otp_app.web.current import caller, origin, services, state
from otp_app.web.form import fields

sends = Blueprint("verify_v2_send", __name__, url_prefix="/v2/Services/<service_sid>")
checks = Blueprint("verify_v2_check", __name__, url_prefix="/v2/Services/<service_sid>")
others = Blueprint("verify_v2", __name__, url_prefix="/v2/Services/<service_sid>")
register_errors(sends, checks, others)


@sends.post("/Verifications")
@requires("send", credentials=ACCOUNT)
def start(service_sid: str) -> tuple[Response, int]:
    """Send a code, or the same code again while one is pending."""
    service, form = _service(service_sid), fields()
    parameters.check_start(form)
    code, asked = parameters.custom_code(form), form.get("Channel", "")
    if code and not _takes_codes(service):
        raise Rejected(60204, "CustomCode")
    channel = parameters.channel(asked, {channel.name for channel in services().channels})
    request = SendRequest(
        service.purpose, channel, form.get("Locale", ""), caller().authenticated, code=code, replace_code=bool(code),
        app_hash=form.get("AppHash", ""), origin=origin("verify_v2"),
    )
    before_delivery = (lambda _: own_services().note_use(service)) if service.unnoted else None
    result = state(Verify).verifications(service).send(form.get("To", ""), request, before_delivery)
    return jsonify(resources.verification(service, result.view, asked)), 201


@checks.post("/VerificationCheck")
@requires("verify", credentials=ACCOUNT)
def check(service_sid: str) -> Response:
    """Look at a code. A wrong one is an answer like another: pending, and not valid."""
    service, form = _service(service_sid), fields()
    parameters.reject(form, parameters.NOT_IN_A_CHECK)
    to, sid, code = form.get("To"), form.get("VerificationSid"), form.get("Code", "")
    if not (to or sid):
        raise Rejected(60221)
    if not as_typed(code):
        raise Rejected(60200, "Code")
    verifications = state(Verify).verifications(service)
    verdict = verifications.check(
        code, phone_number=to or None, verification_id=sid or None, purpose=service.purpose
    )
    if verdict.before is None or not verdict.counted:
        raise Rejected(60202 if verdict.status == Status.MAX_ATTEMPTS_REACHED else 20404)
    return jsonify(resources.check(service, verdict.before, verdict.approval))


@others.get("/Verifications/<name>")
@requires("verify", credentials=ACCOUNT)
def fetch(service_sid: str, name: str) -> Response:
    """Return a verification by its SID or number until it has ended."""
    service = _service(service_sid)
    verifications = state(Verify).verifications(service)
    view = verifications.status(**_named(name), purpose=service.purpose)  # type: ignore[arg-type]  # no flag is named
    if view.status not in (Status.PENDING, Status.MAX_ATTEMPTS_REACHED):
        raise Rejected(20404)
    return jsonify(resources.verification(service, view))


@others.post("/Verifications/<name>")
@requires("verify", credentials=ACCOUNT)
def update(service_sid: str, name: str) -> Response:
    """End a pending verification: canceled, or approved because the caller says so."""
    service, status = _service(service_sid), fields().get("Status")
    if status not in ("canceled", "approved"):
        raise Rejected(60200, "Status")
    verifications = state(Verify).verifications(service)
    end = verifications.cancel if status == "canceled" else verifications.approve
    return jsonify(resources.verification(service, end(**_named(name), purpose=service.purpose)))


@others.errorhandler(InvalidPhone)
def _no_such(_: InvalidPhone) -> Response:
    """Say of a name that cannot be a number what is said of any other that names nothing."""
    return answer(20404)


def _service(sid: str) -> VerifyService:
    if service := own_services().find(sid):
        return service
    raise Rejected(20404)


def _takes_codes(service: VerifyService) -> bool:
    whole = own_services().whole(service.sid) if service.configured else service
    return whole is not None and whole.custom_code


def _named(name: str) -> dict[str, str]:
    return {"verification_id" if name.startswith("VE") else "phone_number": name}
