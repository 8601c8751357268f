"""The WhatsApp templates of codes and of other messages, as Twilio's Content API shows them, for `doctor`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from twilio.base.exceptions import TwilioRestException  # type: ignore[import-untyped]

from otp_app.channels.twilio.account import CONSOLE, Account
from otp_app.core.texts import best_tag, language_tag
from otp_app.settings.diagnosis import Diagnosis, State, UsedTemplate

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
    if (found := _found(account, sid)) is None:
        yield _missing(ABOUT)
        return
    yield _approval(ABOUT, found)
    yield from _category(found.category)
    yield from _minutes(found.types, ttl)
    yield from _variables(found.types)


def used_template(account: Account, used: UsedTemplate) -> Iterator[Diagnosis]:
    """Say whether a template of other messages is approved, in the language that it is for, and gets all it needs."""
    about, found = used.about, _found(account, used.sid)
    if found is None:
        yield _missing(about)
        return
    yield _approval(about, found)
    if found.category.upper() == "AUTHENTICATION":
        why = "its category is AUTHENTICATION, so the message calls what it says a code"
        yield Diagnosis(about, State.FAULT, why, f"make a template of the category UTILITY or MARKETING: {PAGE}")
    if used.locale and not _fits(found.language, used.locale):
        why = f"its language is {found.language}, and it is sent to those who want {used.locale}"
        yield Diagnosis(about, State.ADVICE, why, "name the template of that language in OTP_TEMPLATES_FILE")
    needed = set(VARIABLE.findall(str(found.types)))
    if missing := sorted(needed - used.filled):
        why = f"it has the variables {', '.join(missing)}, which nobody fills, so WhatsApp refuses the message"
        yield Diagnosis(about, State.FAULT, why, "fill them in whatsapp.variables of OTP_TEMPLATES_FILE")
    if more := sorted(used.filled - needed):
        why = f"it has no variables {', '.join(more)}, so what they are filled with is not in the message"
        yield Diagnosis(about, State.ADVICE, why, "take them out of whatsapp.variables in OTP_TEMPLATES_FILE")


def _fits(language: str, locale: str) -> bool:
    """Return whether one of two languages is the other, or has a region besides: es and es_MX."""
    return bool(best_tag(locale, [language_tag(language)]) or best_tag(language, [language_tag(locale)]))


class _Found(NamedTuple):
    """A template as Twilio has it."""

    language: str
    types: Mapping[str, Any]
    approval: Mapping[str, Any]

    @property
    def category(self) -> str:
        return str(self.approval.get("category", ""))


def _found(account: Account, sid: str) -> _Found | None:
    """Return a template, None where the account has no such one."""
    contents = account.api.content.v1.contents(sid)
    try:
        content = contents.fetch()
    except TwilioRestException as error:
        if error.status != 404:
            raise
        return None
    return _Found(str(content.language), content.types or {}, contents.approval_fetch().fetch().whatsapp or {})


def _missing(about: str) -> Diagnosis:
    return Diagnosis(about, State.FAULT, "this account has no such template", f"copy its SID from {PAGE}")


def _approval(about: str, found: _Found) -> Diagnosis:
    approval, status = found.approval, str(found.approval.get("status", "unsubmitted"))
    if status == "approved":
        return Diagnosis(about, State.OK, f"the template is approved, for the language {found.language}")
    what, remedy = STATUSES.get(status, (f"has the status {status}", "see what WhatsApp says of it"))
    reason = f" ({approval['rejection_reason']})" if approval.get("rejection_reason") else ""
    return Diagnosis(about, State.FAULT, f"the template {what}{reason}", f"{remedy}: {PAGE}")


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
