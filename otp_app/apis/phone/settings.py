"""PHONE_VERIFICATION: the settings of django-phone-verify as its users wrote them, in our names and units.

The text is a JSON object, or the dict itself as it stands in a Django project's settings.
"""

from __future__ import annotations

import ast
import json
import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails

from otp_app.core.codes import CODE
from otp_app.core.policy import Policy

TWILIO = "phone_verify.backends.twilio.TwilioBackend"
NEXMO = "phone_verify.backends.nexmo.NexmoBackend"
SANDBOXES = ("phone_verify.backends.twilio.TwilioSandboxBackend", "phone_verify.backends.nexmo.NexmoSandboxBackend")

LONGEST_LIFE = Policy().max_life  # seconds, of any code of this server
SHORTEST_CODE = 6  # digits
EXPIRATION, OLD_EXPIRATION = "SECURITY_CODE_EXPIRATION_SECONDS", "SECURITY_CODE_EXPIRATION_TIME"

TWICE = "a key stands twice: keep one of the two"
WHAT_TO_WRITE = "write a JSON object, or the dict of a Django project's settings with literal values only"

_CLASS = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", re.ASCII)
_ACCOUNT = re.compile(r"AC[0-9a-fA-F]{32}")
_VALUES = {"app": "{app}", "security_code": "{code}"}  # of a message: the original's name -> ours in braces


@dataclass(frozen=True, slots=True)
class PhoneVerification:
    """What the operator chose; the defaults are for a server without PHONE_VERIFICATION."""

    backend: str = ""  # package.module.Class
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)  # of the back end; it has secrets
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
        """The one code that everybody gets, "" where codes are secret."""
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
    given, advice = _current(_document(text))
    written, faults = _read(_Written, given)
    shape, options = _OPTIONS.get(str(given.get("BACKEND"))), given.get("OPTIONS")
    if shape and isinstance(options, dict):
        written_so = len(options)
        options = {str(name).upper(): value for name, value in options.items()}  # as the original's own back ends do
        faults += [f"OPTIONS: {TWICE}"] if len(options) < written_so else []
        faults += _read(shape, options, "OPTIONS.")[1]
    if faults or written is None:
        raise ValueError("; ".join(faults))
    return _chosen(written, options, advice)


def implied(given: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the settings that PHONE_VERIFICATION stands for; where it is faulty, none."""
    try:
        found = as_settings(parse(given.get("phone_verification", "")))
    except ValueError:
        return {}, {}  # the fault is reported where the setting is read
    return {variable.lower(): value for variable, value in found.items()}, {}


def as_settings(chosen: PhoneVerification) -> dict[str, str]:
    """Return by variable what goes for those that are not set by themselves."""
    if chosen.own_class:
        return {"OTP_CHANNELS": "backend"}
    if chosen.backend != TWILIO:
        return {}
    found = {"OTP_CHANNELS": "sms"}
    found |= {"TWILIO_AUTH_TOKEN": chosen.options["SECRET"], "TWILIO_PHONE_NUMBER": chosen.options["FROM"]}
    return found if chosen.sid_fault else found | {"TWILIO_ACCOUNT_SID": chosen.options["SID"]}


def _document(text: str) -> dict[str, Any]:
    keys: list[list[Any]] = []  # of each dict, as they are written

    def noted(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys.append([key for key, _ in pairs])
        return dict(pairs)

    try:
        found = json.loads(text, object_pairs_hook=noted)
    except (ValueError, RecursionError):
        found, keys = _literal(text), list(_keys(text))
    if any(len(set(of_one)) < len(of_one) for of_one in keys):
        raise ValueError(TWICE)
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise ValueError(WHAT_TO_WRITE)
    return found


def _keys(text: str) -> Iterator[list[Any]]:
    """Yield the keys of each dict in a literal that can be read."""
    for node in ast.walk(ast.parse(text.strip(), mode="eval")):
        if isinstance(node, ast.Dict):
            yield [key.value for key in node.keys if isinstance(key, ast.Constant)]


def _literal(text: str) -> Any:
    """Return the value of a Python literal. Raises ValueError with the first line that cannot be read."""
    try:
        return ast.literal_eval(text.strip())
    except SyntaxError as error:
        line = error.lineno
    except ValueError as error:  # names or calls, such as os.environ["SID"], which only Python itself could compute
        found = re.search(r"on line (\d+)", str(error))
        line = int(found[1]) if found else None
    except (TypeError, MemoryError, RecursionError):
        line = None
    raise ValueError(f"line {line} cannot be read: {WHAT_TO_WRITE}" if line else WHAT_TO_WRITE)


def _current(given: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the keys by their names of today, and what there is to say of those that were given."""
    advice = []
    if OLD_EXPIRATION in given:
        given = {EXPIRATION: given[OLD_EXPIRATION], **given}
        del given[OLD_EXPIRATION]
        advice.append(f"{OLD_EXPIRATION}: the name is old: write {EXPIRATION}")
    strangers = sorted(given.keys() - {name.upper() for name in _Written.model_fields})
    return given, advice + [f"{name}: there is no such key, and it does nothing" for name in strangers]


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


class _Strict(BaseModel):
    model_config = ConfigDict(
        strict=True, extra="ignore", hide_input_in_errors=True, frozen=True, alias_generator=str.upper
    )


Text = Annotated[str, Field(min_length=1, max_length=300)]


class _Written(_Strict):
    """The keys of the original: those without a default it cannot do without."""

    backend: Annotated[str, AfterValidator(_backend)]
    options: dict[str, Any]
    min_token_length: Annotated[int, Field(ge=1, le=10)] = SHORTEST_CODE
    token_length: Annotated[int, Field(le=10)]
    message: Annotated[Text, AfterValidator(_template)]
    app_name: Annotated[str, Field(max_length=40)]
    security_code_expiration_seconds: Annotated[float, Field(ge=60, allow_inf_nan=False)]
    verify_security_code_only_once: bool
    max_failed_attempts: Annotated[int, Field(ge=1, le=10)] = 5
    record_retention_days: Annotated[int, Field(ge=1)] = 30

    @field_validator("token_length")
    @classmethod
    def _long_enough(cls, length: int, info: ValidationInfo) -> int:
        least = max(info.data.get("min_token_length", SHORTEST_CODE), SHORTEST_CODE)
        if length < least:
            raise ValueError(f"write {least} or more")
        return length

    def advice(self) -> list[str]:
        """Return a line for each thing that is not done as it is written."""
        lines = []
        if self.security_code_expiration_seconds > LONGEST_LIFE:
            lines.append(f"{EXPIRATION}: no code lives longer than {LONGEST_LIFE:.0f} seconds here")
        if not self.verify_security_code_only_once:
            lines.append("VERIFY_SECURITY_CODE_ONLY_ONCE: a code that was used is good again for whoever saw it")
        if "record_retention_days" in self.model_fields_set:
            lines.append("RECORD_RETENTION_DAYS: it does nothing: a record ends by itself, after 31 days at most")
        return lines


class _Twilio(_Strict):
    sid: Text
    secret: Text
    from_: Annotated[Text, Field(alias="FROM")]


class _Sandbox(_Strict):
    sandbox_token: Annotated[str, AfterValidator(_fixed_code)]


#: BACKEND -> the OPTIONS that it cannot do without; those of one's own class are its own affair
_OPTIONS: dict[str, type[_Strict]] = {TWILIO: _Twilio, **dict.fromkeys(SANDBOXES, _Sandbox)}

Shape = TypeVar("Shape", bound=_Strict)


def _read(shape: type[Shape], given: Mapping[str, Any], where: str = "") -> tuple[Shape | None, list[str]]:
    """Return what was given in this shape, or None and a line for each fault."""
    try:
        return shape.model_validate(given), []
    except ValidationError as error:
        return None, [f"{where}{_line(fault)}" for fault in error.errors(include_input=False, include_url=False)]


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


def _line(fault: ErrorDetails) -> str:
    name = ".".join(str(part) for part in fault["loc"])
    words = fault["msg"].removeprefix("Value error, ")
    return f"{name} is missing" if fault["type"] == "missing" else f"{name}: {words}"
