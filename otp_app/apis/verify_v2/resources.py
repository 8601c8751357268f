"""What Twilio's Verify answers, in its JSON: every key is always there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import request

from otp_app.apis.verify_v2.service_registry import VerifyService
from otp_app.core.delivery import Outcome
from otp_app.core.events import Approval
from otp_app.core.ledger import Send, Status
from otp_app.core.results import VerificationView
from otp_app.web.current import caller, scheme

#: Twilio's words, RCS under both of its names; ours have the same where they are the same
CHANNELS = ("sms", "whatsapp", "rcs", "rbm", "call", "email", "sna")

#: Twilio's fields of a service for what is not done here
_NOT_DONE = {
    "lookup_enabled": False,
    "psd2_enabled": False,
    "skip_sms_to_landlines": False,
    "dtmf_input_required": False,
    "tts_name": None,
    "push": {"include_date": False, "apn_credential_sid": None, "fcm_credential_sid": None},
    "totp": {"issuer": None, "time_step": None, "code_length": None, "skew": None},
    "whatsapp": {"msg_service_sid": None, "from": None},
    "passkeys": {
        "relying_party": {"id": None, "name": None, "origins": None},
        "authenticator_attachment": None,
        "discoverable_credentials": None,
        "user_verification": None,
    },
    "default_template_sid": None,
    "verify_event_subscription_enabled": False,
}


def verification(service: VerifyService, view: VerificationView, asked: str = "") -> dict[str, Any]:
    """A verification. `asked`: the requested channel, shown where another one stands in for it."""
    attempts = [
        {"time": date(send.at), "channel": _channel(send, asked).upper(), "attempt_sid": send.id}
        for send in _sends(view)
    ]
    url = f"{_url(service)}/Verifications/{view.verification.id}"
    return _common(service, view, asked) | {"lookup": {}, "send_code_attempts": attempts, "sna": None, "url": url}


def check(service: VerifyService, before: VerificationView, approval: Approval | None) -> dict[str, Any]:
    """What a check found, of a verification as it was before."""
    found = _common(service, before) | {"sna_attempts_error_codes": []}
    if approval:
        found |= {"status": "approved", "valid": True, "date_updated": date(approval.at)}
    return found


def verify_service(service: VerifyService) -> dict[str, Any]:
    """A Verify service; one that was not made over the API has no dates."""
    url = _url(service)
    return {
        "sid": service.sid,
        "account_sid": caller().account,
        "friendly_name": service.name,
        "code_length": service.code_length,
        "custom_code_enabled": service.custom_code,
        "do_not_share_warning_enabled": service.do_not_share,
        **_NOT_DONE,
        "date_created": date(service.created),
        "date_updated": date(service.updated),
        "url": url,
        "links": {"verifications": f"{url}/Verifications", "verification_checks": f"{url}/VerificationCheck"},
    }


def page_of_services(known: list[VerifyService], page: int, size: int) -> dict[str, Any]:
    """One page of a list of services, and where the others are."""
    start = page * size

    def url(page: int) -> str:
        return f"{root()}v2/Services?PageSize={size}&Page={page}"

    meta = {
        "key": "services",
        "page": page,
        "page_size": size,
        "first_page_url": url(0),
        "previous_page_url": url(page - 1) if page else None,
        "next_page_url": url(page + 1) if start + size < len(known) else None,
        "url": url(page),
    }
    return {"services": [verify_service(service) for service in known[start : start + size]], "meta": meta}


def _common(service: VerifyService, view: VerificationView, asked: str = "") -> dict[str, Any]:
    verification, sends = view.verification, _sends(view)
    changes = [verification.begun.wall, *(send.at for send in sends), verification.ended_at or 0]
    return {
        "sid": verification.id,
        "service_sid": service.sid,
        "account_sid": caller().account,
        "to": view.phone,
        "channel": _channel(sends[-1] if sends else None, asked),
        "status": view.status,
        "valid": view.status == Status.APPROVED,
        "amount": None,
        "payee": None,
        "date_created": date(verification.begun.wall),
        "date_updated": date(max(changes)),
    }


def _sends(view: VerificationView) -> list[Send]:
    return [send for send in view.verification.sends if send.state != Outcome.REFUSED]


def _channel(send: Send | None, asked: str) -> str:
    return known_channel(send.channel if send else "", asked)


def known_channel(*names: str) -> str:
    """Return the first of these that Twilio has a word for."""
    return next(name for name in (*names, "sms") if name in CHANNELS)


def root() -> str:
    """Return where the client found us. Twilio's clients follow links to further pages with their credentials."""
    return scheme() + request.url_root.removeprefix(request.scheme)


def _url(service: VerifyService) -> str:
    return f"{root()}v2/Services/{service.sid}"


def date(wall: float | None) -> str | None:
    """Twilio's clients leave a date of any other form as a text."""
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if wall is not None else None
