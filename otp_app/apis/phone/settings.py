"""PHONE_VERIFICATION: the settings of django-phone-verify as its users wrote them, in our names and units.

The text is a JSON object, or the dict itself as it stands in a Django project's settings.
"""

from __future__ import annotations

import dataclasses
import re
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, get_args

import msgspec
from msgspec import Meta, Struct, field
from msgspec.structs import fields

from otp_app.apis.phone.django_dict import TWICE, read_dict
from otp_app.core.codes import CODE
from otp_app.core.policy import Policy
from otp_app.core.texts import is_whole
from otp_app.settings.model import ApiModel, Setting

TWILIO = "phone_verify.backends.twilio.TwilioBackend"
NEXMO = "phone_verify.backends.nexmo.NexmoBackend"
SANDBOXES = ("phone_verify.backends.twilio.TwilioSandboxBackend", "phone_verify.backends.nexmo.NexmoSandboxBackend")

LONGEST_LIFE = Policy().max_life  # seconds, of any code of this server
SHORTEST_CODE = 6  # digits
EXPIRATION, OLD_EXPIRATION = "SECURITY_CODE_EXPIRATION_SECONDS", "SECURITY_CODE_EXPIRATION_TIME"
RETENTION = "RECORD_RETENTION_DAYS"


_CLASS = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", re.ASCII)
_ACCOUNT = re.compile(r"AC[0-9a-fA-F]{32}")
_VALUES = {"app": "{app}", "security_code": "{code}"}  # of a message: the original's name -> ours in braces


@dataclass(frozen=True, slots=True)
class PhoneVerification:
    """What the operator chose; the defaults are for a server without PHONE_VERIFICATION."""

    backend: str = ""  # package.module.Class
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)  # of the back end; it has secrets
    code_length: int = SHORTEST_CODE  # digits
    ttl: float = 300.0  # seconds
    once_only: bool = True
    max_attempts: int = 5
    message: str = ""  # a template in the names of core.texts; "": the server's own
    app_name: str = ""
    advice: tuple[str, ...] = ()  # a line for each thing that works, but not as it is written

    @property
    def own_class(self) -> str:
        """The operator's own back end, "" where it is one of those that are known here."""
        return "" if self.backend in (TWILIO, *SANDBOXES) else self.backend

    @property
    def sandbox_code(self) -> str:
        """The one code of all numbers in a sandbox, "" where codes are secret."""
        return str(self.options["SANDBOX_TOKEN"]) if self.backend in SANDBOXES else ""

    def is_sandbox(self, code: str) -> bool:
        """Whether this is the one code of a sandbox. Only a server that others cannot reach has one."""
        return bool(self.sandbox_code) and code == self.sandbox_code

    @property
    def sid_fault(self) -> str | None:
        """What is wrong with the account. It matters where messages go through Twilio and nothing else names one."""
        if self.backend != TWILIO or _ACCOUNT.fullmatch(self.options["SID"]):
            return None
        return "OPTIONS.SID: write AC and 32 hex digits, as Twilio shows it (or try OTP_CHANNELS=console)"


def parse(text: str) -> PhoneVerification:
    """Return what the text says. Raises ValueError with every missing or wrong key by its name, and no value."""
    if not text:
        return PhoneVerification()
    given, advice = _current(read_dict(text))
    values, faults = _read(_Written, given)
    faults += _long_enough(values)
    shape, options = _OPTIONS.get(str(given.get("BACKEND"))), given.get("OPTIONS")
    if shape and isinstance(options, dict):
        written_so = len(options)
        options = {str(name).upper(): value for name, value in options.items()}  # as the original's own back ends do
        faults += [f"OPTIONS: {TWICE}"] if len(options) < written_so else []
        faults += _read(shape, options, "OPTIONS.")[1]
    if faults:
        raise ValueError("; ".join(faults))
    return _chosen(_Written(**values), options, advice)


def as_settings(chosen: PhoneVerification) -> dict[str, str]:
    """Return by variable what goes for those that are not set by themselves."""
    if chosen.own_class:
        return {"OTP_CHANNELS": "backend"}
    if chosen.backend != TWILIO:
        return {}
    found = {"OTP_CHANNELS": "sms"}
    found |= {"TWILIO_AUTH_TOKEN": chosen.options["SECRET"], "TWILIO_PHONE_NUMBER": chosen.options["FROM"]}
    return found if chosen.sid_fault else found | {"TWILIO_ACCOUNT_SID": chosen.options["SID"]}


def _current(given: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the keys by their names of today, and what there is to say of those that were given."""
    advice = []
    if OLD_EXPIRATION in given:
        given = {EXPIRATION: given[OLD_EXPIRATION], **given}
        del given[OLD_EXPIRATION]
        advice.append(f"{OLD_EXPIRATION}: the name is old: write {EXPIRATION}")
    if RETENTION in given:
        advice.append(f"{RETENTION}: it does nothing: a record ends by itself, after 31 days at most")
    unknown = sorted(given.keys() - {key.encode_name for key in fields(_Written)})
    return given, advice + [f"{name}: there is no such key, and it does nothing" for name in unknown]


def _backend(name: str) -> str:
    if name == NEXMO:
        raise ValueError("there is no Nexmo (Vonage) here: name a class of your own that sends through it")
    if not _CLASS.fullmatch(name):
        raise ValueError("write package.module.Class")
    return name


def _fixed_code(text: str) -> str:
    if not CODE.fullmatch(text):
        raise ValueError("write a code of 4 to 10 digits")
    return text


def _template(text: str) -> str:
    """Return the template with {code} for {security_code}."""
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError:
        raise ValueError("it has a brace without its partner") from None
    names = [name for _, name, _, _ in parts if name is not None]
    if not set(names) <= _VALUES.keys() or any(form or conversion for _, _, form, conversion in parts):
        raise ValueError("between braces it may have app and security_code alone")
    if "security_code" not in names:
        raise ValueError("it lacks {security_code}")
    return "".join(_plain(before) + _VALUES.get(name or "", "") for before, name, _, _ in parts)


def _plain(text: str) -> str:
    """Return text as a template has it: string.Formatter reads each pair of braces as one."""
    return text.replace("{", "{{").replace("}", "}}")


def _long_enough(values: Mapping[str, Any]) -> list[str]:
    """Return a line where codes would be shorter than the operator's own minimum, or ours."""
    least = max(values.get("min_token_length", SHORTEST_CODE), SHORTEST_CODE)
    return [f"TOKEN_LENGTH: write {least} or more"] if values.get("token_length", least) < least else []


Text = Annotated[str, Meta(min_length=1, max_length=300, description="a text of 1 to 300 characters")]


class _Written(Struct, frozen=True, kw_only=True, rename="upper"):
    """The keys of the original: those without a default it cannot do without. A description says what to write."""

    backend: Annotated[str, Meta(description="package.module.Class")]
    options: Annotated[dict[str, Any], Meta(description="an object")]
    min_token_length: Annotated[int, Meta(ge=1, le=10, description="a whole number from 1 to 10")] = SHORTEST_CODE
    token_length: Annotated[int, Meta(le=10, description="a whole number of at most 10")]
    message: Text
    app_name: Annotated[str, Meta(max_length=40, description="a text of at most 40 characters")]
    security_code_expiration_seconds: Annotated[float, Meta(ge=60, le=1e9, description="a number of at least 60")]
    verify_security_code_only_once: Annotated[bool, Meta(description="true or false")]
    max_failed_attempts: Annotated[int, Meta(ge=1, le=10, description="a whole number from 1 to 10")] = 5
    record_retention_days: Annotated[int, Meta(ge=1, description="a whole number of at least 1")] = 30

    def advice(self) -> list[str]:
        """Return a line for each thing that is not done as it is written."""
        lines = []
        if self.security_code_expiration_seconds > LONGEST_LIFE:
            lines.append(f"{EXPIRATION}: no code lives longer than {LONGEST_LIFE:.0f} seconds here")
        if not self.verify_security_code_only_once:
            lines.append("VERIFY_SECURITY_CODE_ONLY_ONCE: a code that was used works again for anyone who has seen it")
        return lines


class _Twilio(Struct, frozen=True, kw_only=True, rename="upper"):
    sid: Text
    secret: Text
    from_: Text = field(name="FROM")


class _Sandbox(Struct, frozen=True, kw_only=True, rename="upper"):
    sandbox_token: Annotated[str, Meta(description="a code of 4 to 10 digits")]


#: BACKEND -> the OPTIONS that it cannot do without; those of one's own class are its own affair
_OPTIONS: dict[str, type[Struct]] = {TWILIO: _Twilio, **dict.fromkeys(SANDBOXES, _Sandbox)}
#: what no type can say of a text; each returns what is kept
_TEXTS: dict[str, Callable[[str], str]] = {"BACKEND": _backend, "MESSAGE": _template, "SANDBOX_TOKEN": _fixed_code}


def _read(shape: type[Struct], given: Mapping[str, Any], where: str = "") -> tuple[dict[str, Any], list[str]]:
    """Return the values that fit by attribute, and a line for each fault."""
    values, faults = {}, []
    for found in fields(shape):
        key = found.encode_name
        if key in given:
            try:
                values[found.name] = _checked(key, given[key], found.type)
            except ValueError as error:
                faults.append(f"{where}{key}: {error}")
        elif found.required:
            faults.append(f"{where}{key} is missing")
    return values, faults


def _checked(key: str, value: Any, kind: Any) -> Any:
    try:
        found = msgspec.convert(value, kind)
    except msgspec.ValidationError:
        (bounds,) = (part for part in get_args(kind) if isinstance(part, Meta))
        raise ValueError(f"write {bounds.description}") from None
    if isinstance(found, str) and not is_whole(found):
        raise ValueError("it has half of a character")
    return _TEXTS[key](found) if key in _TEXTS else found


def _chosen(written: _Written, options: Any, advice: list[str]) -> PhoneVerification:
    return PhoneVerification(
        backend=written.backend,
        options=options,
        code_length=written.token_length,
        ttl=min(written.security_code_expiration_seconds, LONGEST_LIFE),
        once_only=written.verify_security_code_only_once,
        max_attempts=written.max_failed_attempts,
        message=written.message,
        app_name=written.app_name,
        advice=(*advice, *written.advice()),
    )


class PhoneSettings(ApiModel, frozen=True, kw_only=True):
    """PHONE_VERIFICATION, which stands for other settings too."""

    api: ClassVar = "phone"
    channels: ClassVar[Mapping[str, str]] = {"backend": "otp_app.apis.phone.backend:BackendChannel"}

    phone_verification: Annotated[PhoneVerification, Setting(
        "The settings of django-phone-verify, for the [phone API](phone-verify-recipes.md). Best in a file, with "
        "`PHONE_VERIFICATION_FILE`.", group="Phone API", form="a JSON object, or the Python dict itself",
        read=parse, always=True,
    )] = PhoneVerification()

    @property
    def reuses_codes(self) -> bool:
        """Unless VERIFY_SECURITY_CODE_ONLY_ONCE is true, as it is without PHONE_VERIFICATION."""
        return not self.phone_verification.once_only

    @classmethod
    def implied(cls, given: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """Return the settings that PHONE_VERIFICATION stands for; where it is faulty, none."""
        try:
            found = as_settings(parse(given.get("phone_verification", "")))
        except ValueError:
            return {}, {}  # the fault is reported where the setting is read
        return {variable.lower(): value for variable, value in found.items()}, {}
