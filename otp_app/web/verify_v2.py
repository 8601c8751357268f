"""Twilio's Verify v2: a client of Twilio's that is pointed at this server works as before. See docs/verify-v2.md."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from otp_app.core.answers import Report
from otp_app.core.codes import GUESS
from otp_app.core.errors import InvalidPhone
from otp_app.core.ledger import Status
from otp_app.core.verify_services import VerifyService
from otp_app.core.wish import Wish
from otp_app.web import twilio_answers as answers
from otp_app.web import twilio_parameters as parameters
from otp_app.web.current import caller, services
from otp_app.web.form import fields
from otp_app.web.needs import needs
from otp_app.web.twilio_errors import Refused, speak, translated

sends = Blueprint("verify_v2_send", __name__, url_prefix="/v2/Services/<service_sid>")
checks = Blueprint("verify_v2_check", __name__, url_prefix="/v2/Services/<service_sid>")
others = Blueprint("verify_v2", __name__, url_prefix="/v2/Services/<service_sid>")
for blueprint in (sends, checks, others):
    speak(blueprint)
others.after_app_request(translated)


@sends.post("/Verifications")
@needs("send", basic=True)
def start(service_sid: str) -> tuple[Response, int]:
    """Send a code, or the same code again while one is pending."""
    service, form = _service(service_sid), fields()
    parameters.check_start(form)
    code, asked = form.get("CustomCode", ""), form.get("Channel", "")
    if code and not service.custom_code:
        raise Refused(60204, "CustomCode")
    channel = parameters.channel(asked, {channel.name for channel in services().channels})
    wish = Wish(service.purpose, channel, form.get("Locale", ""), caller().keyed, code=code, insists=bool(code))
    _, report = services().verify(service).start(form.get("To", ""), wish)
    return jsonify(answers.verification(service, report, asked)), 201


@checks.post("/VerificationCheck")
@needs("verify", basic=True)
def check(service_sid: str) -> Response:
    """Look at a code. A wrong one is an answer like another: pending, and not valid."""
    service, form = _service(service_sid), fields()
    parameters.refuse(form, parameters.NOT_IN_A_CHECK)
    to, sid, code = form.get("To"), form.get("VerificationSid"), form.get("Code", "")
    if not (to or sid):
        raise Refused(60221)
    if not GUESS.fullmatch(code):
        raise Refused(60200, "Code")
    verifications = services().verify(service)
    # Read first: once a code is accepted, nothing may fail any more before the caller has heard of it.
    report = verifications.status(sid or None, phone_number=to or None, purpose=service.purpose)
    verdict = verifications.check(code, verification_id=report.verification.id, purpose=service.purpose)
    if not verdict.counted:
        raise Refused(60202 if verdict.status == Status.MAX_ATTEMPTS_REACHED else 20404)
    return jsonify(answers.check(service, report, verdict.approval))


@others.get("/Verifications/<name>")
@needs("verify", basic=True)
def fetch(service_sid: str, name: str) -> Response:
    """Tell of a verification, by its SID or number, until it is over."""
    service = _service(service_sid)
    report = _report(service, name)
    if report.status not in (Status.PENDING, Status.MAX_ATTEMPTS_REACHED):
        raise Refused(20404)
    return jsonify(answers.verification(service, report))


@others.post("/Verifications/<name>")
@needs("verify", basic=True)
def update(service_sid: str, name: str) -> Response:
    """End a pending verification: canceled, or approved because the caller says so."""
    service, status = _service(service_sid), fields().get("Status")
    if status not in ("canceled", "approved"):
        raise Refused(60200, "Status")
    verification_id, verifications = _report(service, name).verification.id, services().verify(service)
    end = verifications.cancel if status == "canceled" else verifications.approve
    return jsonify(answers.verification(service, end(verification_id)))


def _service(sid: str) -> VerifyService:
    if service := services().verify_services.find(sid):
        return service
    raise Refused(20404)


def _report(service: VerifyService, name: str) -> Report:
    verification_id, number = (name, None) if name.startswith("VE") else (None, name)
    try:
        return services().verify(service).status(verification_id, phone_number=number, purpose=service.purpose)
    except InvalidPhone:
        raise Refused(20404) from None
