"""A model of settings: a class whose fields have a type, bounds, a default and a description, each in one place.

The server has one, and each API and each provider of channels may have its own. `Reader` in
otp_app.settings.environment reads them together; docs/settings.md and `.env.example` are generated from them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from math import isfinite
from typing import Any, ClassVar, Self, TypeVar, get_args

import msgspec
from msgspec import NODEFAULT, Meta, Struct
from msgspec.structs import fields

from otp_app.core.texts import is_whole

_SWITCH = dict.fromkeys(("1", "true", "on", "yes", "t", "y"), True) | dict.fromkeys(
    ("0", "false", "off", "no", "f", "n"), False
)


@dataclass(frozen=True, slots=True)
class Setting:
    """What a field says of itself beside its type, its bounds (msgspec.Meta) and its default."""

    meaning: str  # Markdown; `.env.example` has its first sentence
    group: str = ""  # the heading over this setting and those after it
    form: str = ""  # what to write, in documents and in faults; "": it follows from the type and the bounds
    read: Callable[[str], Any] | None = None  # text -> value; raises ValueError, which says what to write and no value
    default: str = ""  # the default in Markdown, where the value does not show it
    secret: bool = False  # never shown, nor logged
    guard: bool = False  # restricts who may do what: a value that is given and empty is a fault
    empty_is_none: bool = False  # an empty value means none, not the default
    always: bool = False  # works although the API that it belongs to is not served


class Model(Struct, frozen=True):
    """The base of models. A repr has no secrets, so it may stand in a log."""

    #: how its names begin: a variable that begins so and is no setting may be misspelt
    prefix: ClassVar[str] = "OTP_"
    #: names with this prefix that other programs read
    foreign: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def implied(cls, given: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """Return the texts of other settings that follow from those given, by attribute, and faults by variable."""
        del given
        return {}, {}

    @property
    def placeholders(self) -> list[str]:
        """The variables whose values stand in documents only, and are right nowhere."""
        return []

    def __repr__(self) -> str:
        shown = ", ".join(f"{f.name}={getattr(self, f.name)!r}" for f in fields_of(type(self)) if not f.setting.secret)
        return f"{type(self).__name__}({shown})"


class ApiModel(Model, frozen=True, kw_only=True):
    """The base of an API's own settings. Each default is that of an API with nothing of its own."""

    api: ClassVar[str]  # its name in the table of otp_app.apis
    #: the variable that names its callers, where they use other credentials than API keys, and how to make one
    callers: ClassVar[str] = ""
    #: channels that it brings along: name in OTP_CHANNELS -> `module:Class`
    channels: ClassVar[Mapping[str, str]] = {}

    @property
    def has_callers(self) -> bool:
        """Whether callers with credentials of its own are configured."""
        return False

    @property
    def reuses_codes(self) -> bool:
        """Whether it accepts a code again that was used."""
        return False

    def narrowed(self, given: Mapping[str, str]) -> Self:
        """Return these settings without the callers that the texts of this moment, by attribute, do not name."""
        del given
        return self

    def revoked(self, after: Self) -> list[str]:
        """Return the names of the callers that `narrowed` has taken something from."""
        del after
        return []

    def reload_faults(self, new: Self) -> list[str]:
        """Return a line for each reason why a running server must not change to these settings."""
        del new
        return []


@dataclass(frozen=True, slots=True)
class Field:
    """One setting of a model."""

    name: str  # of the attribute; the variable is the same in capitals
    type: Any  # with its bounds
    default: Any
    setting: Setting

    @property
    def variable(self) -> str:
        """The name of the environment variable."""
        return self.name.upper()

    @property
    def bounds(self) -> Meta | None:
        """The bounds of the value, None where it has none."""
        return next((part for part in get_args(self.type) if isinstance(part, Meta)), None)

    @property
    def form(self) -> str:
        """What to write, in Markdown; "" for any text."""
        return self.setting.form or _form(_plain(self.type), self.bounds)

    def value(self, text: str) -> Any:
        """Return the value that a text stands for. Raises ValueError, which says what to write and repeats no value."""
        if not is_whole(text):
            raise ValueError("write it in UTF-8")
        found = self.setting.read(text) if self.setting.read else text
        try:
            if not self.setting.read:
                found = _READERS.get(_plain(self.type), str)(text)
            return msgspec.convert(found, self.type) if self.bounds else found
        except ValueError:
            raise ValueError(f"write {self.form.replace('`', '')}") from None


AnyModel = TypeVar("AnyModel", bound=Model)


@cache
def fields_of(model: type[Model]) -> tuple[Field, ...]:
    """Return the settings of a model, in its order."""
    return tuple(
        Field(found.name, found.type, found.default_factory() if found.default is NODEFAULT else found.default, setting)
        for found in fields(model)
        for setting in get_args(found.type)
        if isinstance(setting, Setting)
    )


def build(model: type[AnyModel], texts: Mapping[str, str]) -> tuple[AnyModel, dict[str, str]]:
    """Return a model with these texts by attribute, and the faults by variable; a faulty setting has its default."""
    values, faults = {}, {}
    for field in fields_of(model):
        if field.name in texts:
            try:
                values[field.name] = field.value(texts[field.name])
            except ValueError as error:
                faults[field.variable] = str(error)
    return model(**values), faults


def _plain(annotated: Any) -> Any:
    """Return the type without what is annotated to it."""
    return get_args(annotated)[0]


def _form(kind: Any, bounds: Meta | None) -> str:
    if kind is bool:
        return "1 or 0"
    if bounds is None:
        return ""
    if kind is str:
        return f"at most {bounds.max_length} characters"
    low = f"from {bounds.ge}" if bounds.gt is None else f"above {bounds.gt}"
    high = f"to {bounds.le}" if bounds.gt is None else f"and at most {bounds.le:g}"
    return f"a {'whole ' * (kind is int)}number {low} {high}"


def number(text: str) -> float:
    """Return a number, never infinity or NaN. Raises ValueError."""
    found = float(text)
    if not isfinite(found) or not text.isascii():
        raise ValueError("it is no number in ASCII digits")
    return found


def _whole(text: str) -> int:
    if not text.isascii():
        raise ValueError("it is no number in ASCII digits")
    return int(text)


def _switch(text: str) -> bool:
    if text.lower() not in _SWITCH:
        raise ValueError("it is neither on nor off")
    return _SWITCH[text.lower()]


_READERS: dict[Any, Callable[[str], Any]] = {int: _whole, float: number, bool: _switch}
