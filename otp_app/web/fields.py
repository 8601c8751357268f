"""The fields of a request's body: a msgspec Struct names them, and where a body does not fit, every fault is found.

Faults have the kinds and words that clients of FastAPI know. None has the value in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import FieldInfo, fields, replace


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a field; `field` is "" for the body as a whole."""

    field: str
    kind: str
    message: str


class Unfit(Exception):
    """A body without the right fields."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("the body does not have the right fields")
        self.faults = faults


class Fields(Struct, frozen=True, kw_only=True):
    r"""The base of bodies. A field is a text, or a text or null, with what it must be: `Annotated[str, Meta(…)]`.

    Other fields of a body are ignored. A pattern ends with `\Z` (`$` would take a line break before the end) and has a
    description, which says what to write.
    """


@dataclass(frozen=True, slots=True)
class Read:
    """In the type of a field: makes its value of a text that fits, or raises ValueError with words for the client."""

    make: Callable[[str], str]


Body = TypeVar("Body", bound=Fields)

NO_OBJECT = Fault("", "model_attributes_type", "Input should be a valid dictionary or object to extract fields from")


def read(model: type[Body], said: object) -> Body:
    """Return the fields of a body. Raises Unfit."""
    if not isinstance(said, dict):
        raise Unfit([NO_OBJECT])
    try:
        found = msgspec.convert(said, model)
        made = {name: make(getattr(found, name)) for name, make in _readers(model)}
    except ValueError:  # msgspec's own is of the first fault alone
        raise Unfit([fault for field in _fields(model) if (fault := _fault(field, said))]) from None
    return replace(found, **made) if made else found


@cache
def _fields(model: type[Fields]) -> tuple[FieldInfo, ...]:
    return fields(model)  # which resolves annotations anew each time


@cache
def _readers(model: type[Fields]) -> tuple[tuple[str, Callable[[str], str]], ...]:
    rules = ((field.name, rule) for field in _fields(model) for rule in _rules(field))
    return tuple((name, rule.make) for name, rule in rules if isinstance(rule, Read))


def _rules(field: FieldInfo) -> tuple[Meta | Read, ...]:
    text = get_args(field.type)[0] if _may_be_null(field) else field.type
    return get_args(text)[1:]


def _may_be_null(field: FieldInfo) -> bool:
    return get_origin(field.type) is Union


def _fault(field: FieldInfo, said: Mapping[str, object]) -> Fault | None:
    if field.name not in said:
        return Fault(field.name, "missing", "Field required") if field.required else None
    value = said[field.name]
    if value is None and _may_be_null(field):
        return None
    if not isinstance(value, str):
        return Fault(field.name, "string_type", "Input should be a valid string")
    wrong = next(filter(None, (_wrong(rule, value) for rule in _rules(field))), None)
    return Fault(field.name, *wrong) if wrong else None


def _wrong(rule: Meta | Read, text: str) -> tuple[str, str] | None:
    """Return the kind and the words of a fault where a text breaks a rule."""
    if isinstance(rule, Read):
        return _unread(rule, text)
    if rule.min_length is not None and len(text) < rule.min_length:
        return "string_too_short", f"String should have at least {_characters(rule.min_length)}"
    if rule.max_length is not None and len(text) > rule.max_length:
        return "string_too_long", f"String should have at most {_characters(rule.max_length)}"
    if rule.pattern is not None and not re.search(rule.pattern, text):
        return "string_pattern_mismatch", f"write {rule.description}"
    return None


def _unread(rule: Read, text: str) -> tuple[str, str] | None:
    try:
        rule.make(text)
    except ValueError as error:
        return "value_error", f"Value error, {error}"
    return None


def _characters(count: int) -> str:
    return f"{count} character{'s' * (count != 1)}"
