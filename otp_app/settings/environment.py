"""Where settings come from: the environment, `.env` in the current folder, and the files that NAME_FILE names.

The environment wins over `.env`. Every fault is found at once, by variable, and none repeats a value.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

from otp_app.settings.env_file import FileFault, further_names, holds_another, read_lines, read_text
from otp_app.settings.model import AnyModel, Field, Model, build, fields_of

TO_SEPARATE = (
    "in the file that sets it, close the quote, remove a backslash at the end of the line, and write one setting a line"
)
JOINED = f"it holds another setting too: {TO_SEPARATE}"
MISREAD = "its letters are misread, since the locale is not UTF-8: start with PYTHONUTF8=1, or set this in .env"

BY_KUBERNETES = (
    "Kubernetes has set it to the address of a Service of this name: write enableServiceLinks: false into the pod, or "
    "give the Service another name"
)
_OF_SERVICE = re.compile(r"(tcp|udp|sctp)://[0-9A-Fa-f.:\[\]]+:[0-9]{1,5}")  # *_PORT, in each pod beside a Service

OVERRIDDEN = "the environment has it too, in another way than .env, and wins: change it there, or remove one of the two"

Texts = dict[str, str]
#: texts of settings by attribute -> texts of other settings that follow from them, and faults by variable.
#: A setting that is given wins over one that follows.
Implied = Callable[[Mapping[str, str]], tuple[Texts, Texts]]


@dataclass(frozen=True)
class Configuration:
    """The settings of one start: an object of each model."""

    models: Mapping[type[Model], Model]

    def of(self, model: type[AnyModel]) -> AnyModel:
        """Return the settings of this model. Raises KeyError where it was not read."""
        found = self.models[model]
        assert isinstance(found, model)  # noqa: S101  each lies under its own class
        return found


class Reader:
    """Reads several models together. A name must be a setting of one of them.

    `implied` are asked in their order, each with the texts that were given and those that follow from earlier ones.
    """

    def __init__(self, models: Iterable[type[Model]], implied: Iterable[Implied] = ()) -> None:
        self.models, self._implied = tuple(models), tuple(implied)
        self._prefixes = tuple({model.prefix for model in self.models})
        self.fields: dict[str, Field] = {}
        for field in (field for model in self.models for field in fields_of(model)):
            if field.name in self.fields:
                raise ValueError(f"two models have the setting {field.variable}")
            self.fields[field.name] = field

    def read(
        self, environ: Mapping[str, str] | None = None, folder: Path | None = None
    ) -> tuple[Configuration, dict[str, str]]:
        """Return the settings, and the faults by variable, a line each; a faulty setting has its default.

        Each value is looked at alone: startup.load also rejects what is unsafe together.
        """
        texts, faults = self.texts(environ, folder)
        found = {}
        for model in self.models:
            found[model], wrong = build(model, texts)
            faults |= wrong
        return Configuration(found), faults

    def texts(
        self, environ: Mapping[str, str] | None = None, folder: Path | None = None
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Return the text of each setting that is given or implied, by attribute, and the faults by variable."""
        environ = os.environ if environ is None else environ
        lines, faults = self._lines(folder or Path(), environ)
        texts: dict[str, str] = {}
        for field in self.fields.values():
            text, wrong = _collect(field, environ, lines)
            texts |= {} if text is None else {field.name: text}
            faults |= wrong
        for implied in self._implied:
            more, wrong = implied(texts)
            texts, faults = more | texts, faults | wrong
        return texts, self._lost(environ, lines) | faults

    def sets_something(self, folder: Path | None = None) -> bool:
        """Return whether there is a `.env` with a setting in it."""
        return bool(self._lines(folder or Path())[0])

    def unknown_names(self, environ: Mapping[str, str] | None = None) -> list[str]:
        """Return a line for each variable that looks like one of our settings and is none: it may be misspelt.

        In `.env` such a name is a fault; the environment may have variables of other programs.
        """
        given = sorted(os.environ if environ is None else environ)
        lines = ((name, self._explain(name)) for name in given if name.upper().startswith(self._prefixes))
        return [f"{name}: {line}" for name, line in lines if line]

    def overridden(self, environ: Mapping[str, str] | None = None, folder: Path | None = None) -> list[str]:
        """Return a line for each setting that `.env` has in another way than the environment: there it does nothing."""
        environ, lines = os.environ if environ is None else environ, self._lines(folder or Path())[0]
        both = (field.variable for field in self.fields.values() if _wins(field, environ) and _wins(field, lines))
        return [f"{name}: {OVERRIDDEN}" for name in both if _written(name, lines) != _written(name, environ)]

    def _lost(self, environ: Mapping[str, str], lines: Mapping[str, str]) -> dict[str, str]:
        """Return a fault for each variable of others that holds a line with a setting, unless that is set elsewhere."""
        others = ((name, text) for name, text in environ.items() if name.isidentifier())
        missing = self._known - {*environ, *lines}
        found = {name: missing.intersection(further_names(text)) for name, text in others}
        return {name: f"it holds {', '.join(sorted(lost))}: {TO_SEPARATE}" for name, lost in found.items() if lost}

    @cached_property
    def _known(self) -> frozenset[str]:
        names = {field.variable for field in self.fields.values()}.union(*(model.foreign for model in self.models))
        return frozenset(names | {f"{name}_FILE" for name in names})

    def _lines(self, folder: Path, environ: Mapping[str, str] | None = None) -> tuple[dict[str, str], dict[str, str]]:
        """Return the values of `.env` by variable, and its faults; `environ` may have what a line is not meant for."""
        try:
            found = read_lines(folder / ".env")
        except FileFault as error:
            return {}, {".env": str(error)}
        given = {*found.values, *(environ or ())}
        told = ((f"line {n} sets {name}", self._explain(name) or self._piece(name, found.values.get(name, ""), given))
                for name, n in found.numbers.items())
        faults = found.faults + [f"{where}: {line}" for where, line in told if line]
        return found.values, {".env": "\n".join(faults)} if faults else {}

    def _explain(self, name: str) -> str | None:
        """Return what is wrong with a name that is no setting but may be meant for one; None for any other name."""
        if name in self._known:
            return None
        if name.upper() in self._known:
            return f"there is no such setting: write {name.upper()}"
        ours = name.upper().startswith(self._prefixes)
        likeness = 0.8 if ours else 0.9
        close = get_close_matches(name.upper(), self._known, 1, likeness)
        if close or ours:
            return "there is no such setting" + (f": did you mean {close[0]}?" if close else "")
        return None


    def _piece(self, name: str, value: str, given: Set[str]) -> str | None:
        """Return what is wrong with a line whose name is a piece of a setting's, or has one glued on."""
        guard = f"OTP_{name.upper()}"
        field = self.fields.get(guard.removesuffix("_FILE").lower())
        if field and field.setting.guard and not given & {field.variable, f"{field.variable}_FILE"}:
            return f"there is no such setting: did you mean {guard}?"
        if (bare := re.sub("^export_?", "", name)) != name and bare in self._known:
            return f"there is no such setting: write export {bare}=…"
        whole = {f"{name}{glue}{value}".partition("=")[0] for glue in ("", "_")} if "=" in value else set()
        if meant := sorted(whole & self._known):
            return f"there is no such setting: write {meant[0]}=…"
        return None


def _wins(field: Field, source: Mapping[str, str]) -> bool:
    """Return whether a source says what a setting is, so that no other one does."""
    file = f"{field.variable}_FILE"
    return field.variable in source or bool(source.get(file)) or (file in source and field.setting.guard)


def _written(variable: str, source: Mapping[str, str]) -> Texts:
    """Return what a source has for a setting, by name."""
    return {name: source[name].strip() for name in (variable, f"{variable}_FILE") if name in source}


def _collect(field: Field, environ: Mapping[str, str], lines: Mapping[str, str]) -> tuple[str | None, dict[str, str]]:
    """Return the text that a setting is given, None where it is not, and the faults by variable."""
    variable, file, guard = field.variable, f"{field.variable}_FILE", field.setting.guard
    source = next((source for source in (environ, lines) if _wins(field, source)), {})
    text = source.get(variable, "").strip()
    if source is environ and holds_another(text):
        return None, {variable: JOINED}
    if source is environ and _is_misread(text):
        return None, {variable: MISREAD}
    if source is environ and isinstance(field.default, int) and _OF_SERVICE.fullmatch(text):
        return None, {variable: BY_KUBERNETES}
    if path := source.get(file):
        return _from_file(field, path) if not text else (None, {variable: f"set {variable} or {file}, not both"})
    if text or (field.setting.empty_is_none and variable in source):
        return text, {}
    if source and guard:
        return None, {variable if variable in source else file: "it is empty: write what it allows, or remove the name"}
    return None, {}


def _is_misread(text: str) -> bool:
    """Return whether Python has decoded a value of the environment in another way than it was written."""
    return not text.isascii() and sys.getfilesystemencoding() != "utf-8"


def _from_file(field: Field, path: str) -> tuple[str | None, dict[str, str]]:
    try:
        text = read_text(Path(path)).strip()
    except FileFault as error:
        return None, {f"{field.variable}_FILE": str(error)}
    return (text, {}) if text else (None, {f"{field.variable}_FILE": "the file is empty"})
