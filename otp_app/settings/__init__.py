"""Every setting once: its name, type, default and what it is for. docs/settings.md tells more of each.

A setting is an environment variable or a line of `.env` in the current folder (the environment wins); NAME_FILE names a
file to read it from. The attribute is the variable's name in lower case.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from otp_app.apis.phone.settings import PhoneVerification, as_settings
from otp_app.apis.phone.settings import parse as parse_phone_verification
from otp_app.plugins.loading import OWN_NAME
from otp_app.settings import types
from otp_app.settings.env_file import FileFault, read_lines, read_text
from otp_app.settings.types import ApiKey, ConfiguredService, FixedUntil, TrustedProxy, VerifyAccount

#: an empty variable switches these off; every other one then has its default
EMPTY_MEANS_NONE = {"otp_resend_gaps", "otp_cool_downs", "otp_client_limits", "otp_check_limits"}

#: these close the server to what they do not name, so that given and empty they would open it: a fault
GUARDS = {
    *("otp_api_keys", "otp_verify_accounts", "otp_verify_services", "otp_countries", "otp_trusted_hosts"),
    "otp_check_by",
}
PREFIXES = ("OTP_", "TWILIO_")
#: names that are read below, or that Twilio's own programs read, and are no attribute
OTHER_NAMES = {
    *("REDIS_HOST", "REDIS_PORT", "REDIS_DB"),
    *("TWILIO_VERIFICATION_SERVICE_SID", "TWILIO_VERIFY_SERVICE_SID", "TWILIO_REGION", "TWILIO_EDGE"),
}

#: one of them says that messages go through Twilio
TWILIO_ACCOUNT = {
    *("twilio_account_sid", "twilio_auth_token", "twilio_api_key_sid", "twilio_api_key_secret", "twilio_phone_number"),
    *("twilio_whatsapp_number", "twilio_messaging_service_sid", "twilio_content_sid"),
}

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]


def _shape(pattern: str, words: str) -> Any:
    """A text of one form, or nothing; `words` tell the form to whoever missed it."""
    return Field(pattern=rf"\A({pattern})?\z", max_length=100, description=words)


def _sid(prefix: str) -> Any:
    return _shape(f"{prefix}[0-9a-fA-F]{{32}}", f"{prefix} and 32 hex digits, as Twilio shows it")


class Settings(BaseModel):
    """What the operator chose. Every attribute has a default that is safe on one machine."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    # Where it listens
    host: Annotated[str, BeforeValidator(types.bind_host)] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 5000
    web_concurrency: Annotated[int, Field(ge=1, le=64)] = 1
    otp_threads: Annotated[int, Field(ge=1, le=2048)] = 256
    otp_apis: Annotated[tuple[str, ...], BeforeValidator(types.names), Field(min_length=1)] = ("native",)

    # Where records rest
    otp_store_url: str = "sqlite:///var/otp.db"
    otp_store_fallback: Annotated[str, _shape("memory", "memory, or nothing")] = ""
    otp_secret_keys: str = Field("", repr=False)
    otp_index_key: str = Field("", repr=False)

    # Whose number is whose
    otp_directory_url: str = Field("", repr=False)
    otp_users_expose_phone: bool = False

    # What other APIs bring along
    otp_verify_accounts: Annotated[tuple[VerifyAccount, ...], BeforeValidator(types.verify_accounts)] = Field(
        (), repr=False
    )
    otp_verify_services: Annotated[dict[str, ConfiguredService], BeforeValidator(types.verify_services)] = {}
    phone_verification: Annotated[PhoneVerification, BeforeValidator(parse_phone_verification)] = PhoneVerification()

    # How codes leave
    otp_channels: Annotated[tuple[str, ...], BeforeValidator(types.channels), Field(min_length=1)] = ("console",)
    otp_app_name: Annotated[str, Field(max_length=40)] = ""
    otp_message: Annotated[str, BeforeValidator(types.template), Field(max_length=300)] = "Your OTP is: {code}"
    otp_messages: Annotated[dict[str, str], BeforeValidator(types.templates)] = {}
    otp_origin: Annotated[str, _shape(r"[a-z0-9-]+(\.[a-z0-9-]+)*", "a host name such as example.com")] = ""

    # Codes and limits of one number
    otp_code_length: Annotated[int, Field(ge=6, le=10)] = 6
    otp_code_length_raised: Annotated[int, Field(ge=6, le=10)] = 8
    otp_ttl: Annotated[float, Field(ge=60, le=600)] = 300
    otp_max_attempts: Annotated[int, Field(ge=1, le=10)] = 5
    otp_resend_gaps: Annotated[tuple[Seconds, ...], BeforeValidator(types.names)] = (30, 60, 120, 300)
    otp_sends_per_hour: Annotated[int, Field(ge=0, le=50)] = 5
    otp_sends_per_day: Annotated[int, Field(ge=0, le=50)] = 10
    otp_keyed_reserve: Annotated[int, Field(ge=0, le=50)] = 5
    otp_cool_downs: Annotated[tuple[Seconds, ...], BeforeValidator(types.names)] = (30, 60, 300, 900, 3600)
    otp_risk_raise: Annotated[float, Field(gt=0, le=1e-3)] = 40e-6
    otp_risk_lower: Annotated[float, Field(gt=0, le=1e-3)] = 20e-6
    otp_resend_new_code: bool = False
    otp_check_by: Annotated[str, _shape("any|id", "any or id")] = "any"
    otp_test_numbers: Annotated[tuple[FixedUntil, ...], BeforeValidator(types.test_numbers)] = ()

    # What an approval brings
    otp_on_approved: Annotated[str, _shape(OWN_NAME, "package.module:function")] = ""
    otp_proof_keys: str = Field("", repr=False)
    otp_proof_ttl: Annotated[float, Field(ge=30, le=600)] = 120
    otp_proof_issuer: Annotated[str, _shape(r"[\x21-\x7e]{1,100}", "up to 100 visible ASCII characters")] = "otp_app"

    # Who may call
    otp_api_keys: Annotated[tuple[ApiKey, ...], BeforeValidator(types.api_keys)] = Field((), repr=False)
    otp_public: bool = False
    otp_countries: Annotated[frozenset[str], BeforeValidator(types.countries)] = frozenset()
    otp_client_limits: Annotated[str, BeforeValidator(types.rate_limits)] = "20/hour;60/day"
    otp_check_limits: Annotated[str, BeforeValidator(types.rate_limits)] = "60/10minutes"
    otp_trusted_proxies: Annotated[
        tuple[TrustedProxy, ...], BeforeValidator(types.names), AfterValidator(types.not_all)
    ] = ()
    otp_trusted_hosts: Annotated[tuple[str, ...], BeforeValidator(types.hosts)] = ()

    # What it tells
    otp_log_level: Annotated[str, _shape("DEBUG|INFO|WARNING|ERROR", "DEBUG, INFO, WARNING or ERROR")] = "INFO"

    # Twilio
    twilio_account_sid: Annotated[str, _sid("AC")] = ""
    twilio_auth_token: str = Field("", repr=False)
    twilio_api_key_sid: Annotated[str, _sid("SK")] = ""
    twilio_api_key_secret: str = Field("", repr=False)
    twilio_phone_number: str = ""
    twilio_whatsapp_number: Annotated[str, _shape(r"(whatsapp:)?\+[1-9][0-9]{6,14}", "a number in E.164")] = ""
    twilio_messaging_service_sid: Annotated[str, _sid("MG")] = ""
    twilio_content_sid: Annotated[str, _sid("HX")] = ""
    twilio_api_base_url: Annotated[str, _shape(r"https?://[^\s/]+", "https://HOST and nothing after it")] = ""
    twilio_timeout: Annotated[float, Field(ge=0.1, le=12)] = 8


def read(environ: Mapping[str, str] | None = None, folder: Path | None = None) -> tuple[Settings, dict[str, str]]:
    """Return the settings, and the faults by variable, a line each; a faulty one has its default.

    No fault repeats a value. Each value is looked at alone: startup.load also refuses what is unsafe together.
    """
    given, faults = texts(environ, folder)
    try:
        return Settings.model_validate(given), faults
    except ValidationError as error:
        wrong = {str(e["loc"][0]): _words(str(e["loc"][0]), e["type"], e["msg"]) for e in error.errors()}
    faults |= {name.upper(): line for name, line in wrong.items()}
    return Settings.model_validate({name: value for name, value in given.items() if name not in wrong}), faults


def texts(
    environ: Mapping[str, str] | None = None, folder: Path | None = None
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the text of each setting that is given, by attribute, and the faults by variable."""
    environ = os.environ if environ is None else environ
    lines, faults = _lines(folder or Path())
    given = {name: text for name in Settings.model_fields if (text := _text(name, environ, lines, faults)) is not None}
    given = _brought(given.get("phone_verification", "")) | given
    if "otp_channels" not in given and (channels := _twilio_channels(given)):
        given["otp_channels"] = channels
    if "otp_store_url" not in given and (redis := _redis(environ, lines, faults)):
        given["otp_store_url"] = redis
    return given, faults


def sets_something(folder: Path | None = None) -> bool:
    """Return whether there is a `.env` with a setting in it."""
    return bool(_lines(folder or Path())[0])


def strangers(environ: Mapping[str, str] | None = None) -> list[str]:
    """Return a line for each variable that looks like a setting of ours and is none: a guard may be off by a slip.

    A line of `.env` that does is a fault; the environment may have variables that are for others.
    """
    given = sorted(os.environ if environ is None else environ)
    return [f"{name}: {line}" for name in given if name.upper().startswith(PREFIXES) and (line := _stranger(name))]


@cache
def _known_names() -> frozenset[str]:
    names = {*(field.upper() for field in Settings.model_fields), *OTHER_NAMES}
    return frozenset(names | {f"{name}_FILE" for name in names})


def _lines(folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return the values of `.env` by variable, and its faults."""
    try:
        found = read_lines(folder / ".env")
    except FileFault as error:
        return {}, {".env": str(error)}
    wrong = [f"line {n} sets {name}: {line}" for name, n in found.numbers.items() if (line := _stranger(name))]
    faults = found.faults + wrong
    return found.values, {".env": "\n".join(faults)} if faults else {}


def _stranger(name: str) -> str | None:
    """What there is to say of a name that was meant for a setting and does nothing; None for all others."""
    known = _known_names()
    if name in known:
        return None
    if name.upper() in known:
        return f"there is no such setting: write {name.upper()}"
    ours = name.upper().startswith(PREFIXES)
    likeness = 0.8 if ours else 0.9
    close = get_close_matches(name.upper(), known, 1, likeness)
    if close or ours:
        return "there is no such setting" + (f": did you mean {close[0]}?" if close else "")
    return None


def _words(name: str, kind: str, message: str) -> str:
    """Say what to write instead, in words of ours where pydantic would show a pattern."""
    if kind == "string_pattern_mismatch":
        return f"write {Settings.model_fields[name].description}"
    return "write 1 or 0" if kind == "bool_parsing" else message.removeprefix("Value error, ")


def _text(name: str, environ: Mapping[str, str], lines: Mapping[str, str], faults: dict[str, str]) -> str | None:
    """Return what a setting is given, None where it is not; what stands against it is put among the faults."""
    variable, file = name.upper(), f"{name.upper()}_FILE"
    given = (s for s in (environ, lines) if variable in s or s.get(file) or (file in s and name in GUARDS))
    source = next(given, {})
    text = source.get(variable, "").strip()
    if path := source.get(file):
        if text:
            faults[variable] = f"{variable} and {file} are both given: take one away"
            return None
        try:
            text = read_text(Path(path)).strip()
        except FileFault as error:
            faults[file] = str(error)
            return None
        if not text and name not in GUARDS:
            faults[file] = "the file is empty"
    if text or (name in EMPTY_MEANS_NONE and variable in source and not path):
        return text
    if source and name in GUARDS:
        faults[file if path else variable] = "it is given and empty: write who or what it allows, or take the name away"
    return None


def _brought(text: str) -> dict[str, str]:
    """Return the settings that PHONE_VERIFICATION stands for; where it is faulty, none."""
    try:
        found = as_settings(parse_phone_verification(text))
    except ValueError:
        return {}
    return {variable.lower(): value for variable, value in found.items()}


def _twilio_channels(given: Mapping[str, str]) -> str:
    """Return the channels that Twilio's variables are set for, "" where none is; the start refuses a part of them."""
    if not TWILIO_ACCOUNT & given.keys():
        return ""
    whatsapp = "twilio_whatsapp_number" in given
    sms = not whatsapp or not given.keys().isdisjoint({"twilio_phone_number", "twilio_messaging_service_sid"})
    return ",".join(["whatsapp"] * whatsapp + ["sms"] * sms)


def _redis(environ: Mapping[str, str], lines: Mapping[str, str], faults: dict[str, str]) -> str | None:
    """Return the URL of the Redis that older set-ups name in three variables."""
    host, port, db = (_text(f"redis_{name}", environ, lines, faults) or "" for name in ("host", "port", "db"))
    if not host:
        return None
    wrong = {f"REDIS_{name}": "write a number" for name, text in (("PORT", port), ("DB", db)) if not _is_number(text)}
    faults |= wrong
    if wrong:
        return None
    return f"redis://{f'[{host}]' if ':' in host else host}:{port or 6379}/{db or 0}"


def _is_number(text: str) -> bool:
    return not text or (text.isascii() and text.isdecimal())
