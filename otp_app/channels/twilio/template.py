"""The WhatsApp template of codes, as Twilio's Content API shows it, for `doctor`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from twilio.base.exceptions import TwilioRestException  # type: ignore[import-untyped]

from otp_app.channels.twilio.account import CONSOLE, Account
from otp_app.settings.diagnosis import Diagnosis, State

ABOUT = "TWILIO_CONTENT_SID"
PAGE = f"{CONSOLE}/us1/develop/sms/content-template-builder"
AUTHENTICATION = "whatsapp/authentication"
VARIABLE = re.compile(r"\{\{(\w{1,40})\}\}")
SENT = {"1"}  # the placeholders that the channel fills

#: what WhatsApp says of a template, and what helps; any other status is shown as it is
STATUSES = {
    "unsubmitted": ("was never submitted to WhatsApp", "submit it for approval"),
    "received": ("waits for WhatsApp's approval", "wait: it mostly takes minutes"),
    "pending": ("waits for WhatsApp's approval", "wait: it mostly takes minutes"),
    "rejected": ("was rejected by WhatsApp", "fix it and submit it again"),
    "paused": ("was paused by WhatsApp for bad feedback", "wait until it is active again, or name another template"),
    "disabled": ("was disabled by WhatsApp", "make a new one and name it"),
}


def template(account: Account, sid: str, ttl: float) -> Iterator[Diagnosis]:
    """Say whether a template is approved for codes, takes the code as its only variable, and names its right life.

    `ttl`: the seconds that a code lives.
    """
    contents = account.api.content.v1.contents(sid)
    try:
        content = contents.fetch()
    except TwilioRestException as error:
        if error.status != 404:
            raise
        yield Diagnosis(ABOUT, State.FAULT, "this account has no such template", f"copy its SID from {PAGE}")
        return
    approval: Mapping[str, Any] = contents.approval_fetch().fetch().whatsapp or {}
    yield from _approval(approval, str(content.language))
    yield from _category(str(approval.get("category", "")))
    yield from _minutes(content.types or {}, ttl)
    yield from _variables(content.types or {})


def _approval(approval: Mapping[str, Any], language: str) -> Iterator[Diagnosis]:
    status = str(approval.get("status", "unsubmitted"))
    if status == "approved":
        yield Diagnosis(ABOUT, State.OK, f"the template is approved, for the language {language}")
        return
    what, remedy = STATUSES.get(status, (f"has the status {status}", "see what WhatsApp says of it"))
    reason = f" ({approval['rejection_reason']})" if approval.get("rejection_reason") else ""
    yield Diagnosis(ABOUT, State.FAULT, f"the template {what}{reason}", f"{remedy}: {PAGE}")


def _category(category: str) -> Iterator[Diagnosis]:
    if category and category.upper() != "AUTHENTICATION":
        why = f"its category is {category}, and WhatsApp takes codes in the category AUTHENTICATION alone"
        yield Diagnosis(ABOUT, State.FAULT, why, f"make a template of that category: {PAGE}")


def _minutes(types: Mapping[str, Any], ttl: float) -> Iterator[Diagnosis]:
    named = (types.get(AUTHENTICATION) or {}).get("code_expiration_minutes")
    if named is not None and named * 60 != ttl:
        why = f"it says that a code lives {named:g} minutes, and OTP_TTL is {ttl:g} seconds"
        yield Diagnosis(ABOUT, State.FAULT, why, f"set OTP_TTL={named * 60:g}, or correct the template: {PAGE}")


def _variables(types: Mapping[str, Any]) -> Iterator[Diagnosis]:
    """An authentication template has one variable, which its body does not show."""
    for kind, parts in types.items():
        if kind == AUTHENTICATION:
            continue
        found = set(VARIABLE.findall(str(parts)))
        if "1" not in found:
            yield Diagnosis(ABOUT, State.FAULT, "it has no variable {{1}} for the code", f"add it: {PAGE}")
        if more := sorted(found - SENT):
            why = f"it has the variables {', '.join(more)}, which nobody fills: only {{{{1}}}} is, with the code"
            yield Diagnosis(ABOUT, State.FAULT, why, f"make a template with {{{{1}}}} alone: {PAGE}")
