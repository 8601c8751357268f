"""Attempts as Twilio lists and counts them, of the services of the caller's account only."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any
from urllib.parse import urlencode

from otp_app.apis.verify_v2 import parameters
from otp_app.apis.verify_v2.errors import Rejected
from otp_app.apis.verify_v2.resources import date, known_channel, root
from otp_app.apis.verify_v2.state import Verify, own_services
from otp_app.core.codes import SID_DIGITS
from otp_app.core.delivery import Outcome
from otp_app.core.errors import InvalidPhone
from otp_app.core.ledger import Status
from otp_app.core.phone import spelling
from otp_app.history.attempts import Attempt, Attempts, Filter, Place
from otp_app.history.rows import prefix
from otp_app.web.current import caller, state

CHANNELS = {"sms": ("sms", "console"), "whatsapp": ("whatsapp",), "call": ("call",), "email": ("email",),
            "rbm": ("rbm", "rcs")}
CONVERTED = {"CONVERTED": True, "UNCONVERTED": False}
NO_HISTORY = "attempts, without a history (OTP_HISTORY_URL)"
MOST_SKIPPED = 10_000  # attempts before a page that is named by its number: each of them is read
_MESSAGE, _VERIFICATION = re.compile(f"VL{SID_DIGITS}"), re.compile(f"VE{SID_DIGITS}")
_PREFIX = re.compile(r"\+?[0-9]{1,15}")
_ENDS: dict[str, str] = {Status.EXPIRED: "expired"}


def page(form: Mapping[str, str]) -> dict[str, Any]:
    """Return a page of attempts. Raises Rejected, StoreUnavailable."""
    size = parameters.number(form, "PageSize", 1, 1000, default=50)
    number = parameters.number(form, "Page", 0, 1_000_000, default=0)
    behind = _place(form["PageToken"]) if form.get("PageToken") else None
    if not behind and number * size > MOST_SKIPPED:
        raise Rejected(60200, "Page")
    services = _services(form.get("VerifyServiceSid", ""))
    found = _history().page(_filter(form, services), size + 1, behind, 0 if behind else number * size)
    shown, has_more = found[:size], len(found) > size
    kept = {name: value for name, value in form.items() if name not in ("Page", "PageToken", "PageSize")}

    def url(page: int, token: str = "") -> str:
        query = {**kept, "PageSize": size, "Page": page} | ({"PageToken": token} if token else {})
        return f"{root()}v2/Attempts?{urlencode(query)}"

    meta = {
        "key": "attempts",
        "page": number,
        "page_size": size,
        "first_page_url": url(0),
        "previous_page_url": url(number - 1) if number and (number - 1) * size <= MOST_SKIPPED else None,
        "next_page_url": url(number + 1, _token(shown[-1])) if has_more else None,
        "url": url(number, form.get("PageToken", "")),
    }
    return {"attempts": [_attempt(attempt, services) for attempt in shown], "meta": meta}


def summary(form: Mapping[str, str]) -> dict[str, Any]:
    """Return how many there were, and how many converted. Raises Rejected, StoreUnavailable."""
    total, converted = _history().summary(_filter(form, _services(form.get("VerifyServiceSid", ""))))
    return {
        "total_attempts": total,
        "total_converted": converted,
        "total_unconverted": total - converted,
        "conversion_rate_percentage": f"{100 * converted / total:.9g}" if total else "0",
        "url": f"{root()}v2/Attempts/Summary",
    }


def one(sid: str) -> dict[str, Any] | None:
    """Return the attempt with this SID, None where the account has none. Raises Rejected, StoreUnavailable."""
    services = _services("")
    found = _history().find(services, sid) if _MESSAGE.fullmatch(sid) else None
    return _attempt(found, services) if found else None


def _history() -> Attempts:
    if attempts := state(Verify).attempts:
        return attempts
    raise Rejected(60204, NO_HISTORY)


def _services(sid: str) -> dict[str, str]:
    """Return the SIDs of the account's services by their purpose: of all, or of one that was asked for."""
    if sid:
        service = own_services().find(sid)
        return {service.purpose: service.sid} if service else {}
    return {service.purpose: service.sid for service in own_services().known()}


def _filter(form: Mapping[str, str], services: Mapping[str, str]) -> Filter:
    channel, status = form.get("Channel", "").lower(), form.get("Status", "").upper()
    if channel and channel not in CHANNELS:
        raise Rejected(60200, "Channel")
    if status and status not in CONVERTED:
        raise Rejected(60200, "Status")
    verification = form.get("VerificationSid", "")
    if verification and not _VERIFICATION.fullmatch(verification):
        raise Rejected(60200, "VerificationSid")
    return Filter(
        list(services),
        after=_moment(form, "DateCreatedAfter"),
        before=_moment(form, "DateCreatedBefore"),
        phone=_phone(form.get("ChannelData.To", "")),
        country=form.get("Country", "").upper(),
        prefix=_beginning(form.get("DestinationPrefix", "")),
        channels=CHANNELS.get(channel, ()),
        verification_id=verification,
        converted=CONVERTED.get(status),
    )


def _phone(text: str) -> str:
    try:
        return spelling(text) if text else ""
    except InvalidPhone:
        raise Rejected(60200, "ChannelData.To") from None


def _beginning(text: str) -> str:
    """Return the beginning of numbers; the history does not know more of them than their calling code and network."""
    if text and not _PREFIX.fullmatch(text):
        raise Rejected(60200, "DestinationPrefix")
    digits = f"+{text.removeprefix('+')}" if text else ""
    if digits and prefix(digits) != digits:
        raise Rejected(60200, "DestinationPrefix")
    return digits


def _moment(form: Mapping[str, str], name: str) -> float | None:
    if not form.get(name):
        return None
    try:
        moment = datetime.fromisoformat(form[name])
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise Rejected(60200, name) from None


def _token(attempt: Attempt) -> str:
    text = f"{attempt.row.begun!r} {attempt.row.id} {attempt.message.id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _place(token: str) -> Place:
    try:
        begun, verification, message = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode().split(" ")
        place = Place(float(begun), verification, message)
    except (ValueError, binascii.Error):
        raise Rejected(60200, "PageToken") from None
    if not (isfinite(place.begun) and _VERIFICATION.fullmatch(verification) and _MESSAGE.fullmatch(message)):
        raise Rejected(60200, "PageToken")
    return place


def _attempt(attempt: Attempt, services: Mapping[str, str]) -> dict[str, Any]:
    row, message, is_converted = attempt
    return {
        "sid": message.id,
        "account_sid": caller().account,
        "service_sid": services.get(row.subject),
        "verification_sid": row.id,
        "date_created": date(message.at),
        "date_updated": date(row.ended),
        "conversion_status": "converted" if is_converted else "unconverted",
        "channel": _channel(message.channel),
        "price": {"value": None, "currency": None},
        "channel_data": {
            "verification_sid": row.id,
            "to": row.shown,
            "status": "confirmed" if is_converted else _ENDS.get(row.outcome, "unconfirmed"),
            "message_status": None if message.delivery == Outcome.UNKNOWN else message.delivery,
            "error_code": str(message.error_code) if message.error_code else None,
            "country": row.country or None,
            "code_length": row.digits,
            "locale": message.locale or None,
            "mcc": None,
            "mnc": None,
            "carrier": None,
        },
        "url": f"{root()}v2/Attempts/{message.id}",
    }


def _channel(name: str) -> str:
    return next((twilios for twilios, ours in CHANNELS.items() if name in ours), known_channel(name))
