"""Twilio's parameters: how each is read, and which of them ask for what is not done here (docs/verify-v2.md)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Mapping
from typing import Any

from otp_app.apis.verify_v2.errors import Rejected
from otp_app.apis.verify_v2.resources import CHANNELS
from otp_app.core.codes import CODE
from otp_app.core.texts import APP_HASH, LOCALE
from otp_app.web.body import BadRequest, parse

MOST_TAGS, LONGEST_TAG = 10, 128
BY_CONSOLE = ("sms", "whatsapp")  # channels that the console stands in for where it is all there is

#: A message or an approval would not be what their sender expects.
NOT_IN_A_START = (
    "ChannelConfiguration", "CustomFriendlyName", "CustomMessage", "TemplateSid", "TemplateCustomSubstitutions",
    "Templates", "Amount", "Payee",
)  # fmt: skip
NOT_IN_A_CHECK = ("Amount", "Payee")
NOT_IN_A_SERVICE = (
    "LookupEnabled", "Psd2Enabled", "DefaultTemplateSid", "Whatsapp.From", "Whatsapp.MsgServiceSid",
    "VerifyEventSubscriptionEnabled",
)  # fmt: skip


def reject(form: Mapping[str, str], names: tuple[str, ...]) -> None:
    """Raise Rejected for the first of these parameters that asks for something."""
    for name in names:
        if form.get(name, "").lower() not in ("", "false"):
            raise Rejected(60204, name)


def check_start(form: Mapping[str, str]) -> None:
    """Raise Rejected where a parameter of a start is one that Twilio would not take, or asks for what is not done."""
    for name, fits in _START.items():
        if (value := form.get(name)) and not fits(value):
            raise Rejected(60200, name)
    reject(form, NOT_IN_A_START)


def custom_code(form: Mapping[str, str]) -> str:
    """Return the code that the caller chose, or "". Blanks around it, as behind the colon of a message, are no part."""
    return form.get("CustomCode", "").strip(" ")


def channel(asked: str, names: Collection[str]) -> str | None:
    """Return which of the channels with these names is meant; None: any of them. Raises Rejected."""
    if asked not in (*CHANNELS, "auto"):
        raise Rejected(60200, "Channel")
    if asked == "auto" or (asked in BY_CONSOLE and set(names) == {"console"}):
        return None
    if asked not in names:
        raise Rejected(60223, asked.upper())
    return asked


def service_fields(form: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of a Verify service that a form sets. Raises Rejected."""
    reject(form, NOT_IN_A_SERVICE)
    return {field: _read(form, name, read) for name, (field, read) in _SERVICE.items() if name in form}


def number(form: Mapping[str, str], name: str, least: int, most: int, default: int) -> int:
    """Return a whole number within its bounds. Raises Rejected."""
    found = _read(form, name, _whole) if name in form else default
    if not least <= found <= most:
        raise Rejected(60200, name)
    return found


def _read(form: Mapping[str, str], name: str, read: Callable[[str], Any]) -> Any:
    try:
        return read(form[name])
    except (ValueError, LookupError):
        raise Rejected(60200, name) from None


def _is_address(text: str) -> bool:
    try:
        return bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def _texts(text: str) -> dict[str, str] | None:
    """Return a JSON object of texts, None for anything else."""
    try:
        said = parse(text)
    except BadRequest:
        return None
    return said if isinstance(said, dict) and all(isinstance(value, str) for value in said.values()) else None


def _are_tags(text: str) -> bool:
    tags = _texts(text)
    if tags is None or len(tags) > MOST_TAGS:
        return False
    return all(len(part) <= LONGEST_TAG for tag in tags.items() for part in tag)


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(text)
    return int(text)


def _flag(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


_START: dict[str, Callable[[str], object]] = {
    "CustomCode": lambda text: CODE.fullmatch(text.strip(" ")),
    "Locale": LOCALE.fullmatch,
    "AppHash": APP_HASH.fullmatch,
    "RiskCheck": lambda text: text in ("enable", "disable"),
    "DeviceIp": _is_address,
    "Tags": _are_tags,
    "RateLimits": lambda text: _texts(text) is not None,
}
_SERVICE: dict[str, tuple[str, Callable[[str], Any]]] = {
    "FriendlyName": ("name", str),
    "CodeLength": ("code_length", _whole),
    "CustomCodeEnabled": ("custom_code", _flag),
    "DoNotShareWarningEnabled": ("do_not_share", _flag),
}
