"""The file of templates, TOML: every fault with its line."""

from __future__ import annotations

import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from otp_app.core.notification_templates import NAME, Approved, Template, placeholders, text_fault
from otp_app.core.texts import LANGUAGE_TAG, language_tag
from otp_app.settings.mounts import LEFT_BEHIND, is_left_behind, is_renamed

MAX_SIZE = 1024 * 1024  # bytes
SID = re.compile(r"HX[0-9a-fA-F]{32}")
PLACEHOLDER = re.compile(r"[A-Za-z0-9_]{1,40}")  # of a template at the provider
_AT = re.compile(r" \(at line ([0-9]{1,9}), column [0-9]{1,9}\)\Z")
_AT_END = " (at end of document)"

Place = tuple[str, ...]
Fault = tuple[Place, str]  # where, and what is wrong there


@dataclass(frozen=True, slots=True)
class Templates:
    """The templates of a file, by name."""

    path: str
    by_name: Mapping[str, Template] = field(repr=False)
    lines: Mapping[str, int] = field(repr=False)  # where each begins


def read(path: str) -> Templates:
    """Return the templates of a file. Raises ValueError with a line for each fault."""
    text = _content(Path(path))
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(_syntax(str(error), text)) from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    lines, templates, faults = _lines(text), {}, []
    for name, table in tables.items():
        templates[name], found = _template(name, table)
        faults += found
    if faults:
        raise ValueError("\n".join(f"line {line}: {said}" for line, said in sorted(_placed(lines, faults))))
    if not templates:
        raise ValueError("it has no template: write [NAME], and below it sms = \"…\"")
    return Templates(path, templates, {name: lines.get((name,), 1) for name in templates})


def _content(path: Path) -> str:
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise ValueError("it is no file")
        if is_left_behind(state) or is_renamed(path):
            raise ValueError(LEFT_BEHIND)
        with path.open("rb") as file:
            content = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise ValueError(f"it cannot be read ({error.strerror})") from None
    if len(content) > MAX_SIZE:
        raise ValueError(f"it has more than {MAX_SIZE} bytes")
    try:
        return content.decode("utf-8-sig")  # some editors begin a file with a byte order mark
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line}: write it in UTF-8") from None


def _syntax(said: str, text: str) -> str:
    """Return a fault of TOML itself, with its line in front."""
    if found := _AT.search(said):
        return f"line {found[1]}: {said[: found.start()]}"
    return f"line {text.count(chr(10)) + 1}: {said.removesuffix(_AT_END)}"


def _lines(text: str) -> dict[Place, int]:
    """Return the line of each table and key, as far as it is written in the usual way."""
    found: dict[Place, int] = {}
    table: Place = ()
    for number, line in enumerate(text.splitlines(), start=1):
        written = line.strip()
        if written.startswith("["):
            table = _names(written.partition("]")[0].strip("["))
            place = table
        else:
            place = (*table, *_names(written.partition("=")[0]))
        for length in range(1, len(place) + 1):
            found.setdefault(place[:length], number)
    return found


def _names(written: str) -> Place:
    return tuple(name.strip(" \t\"'") for name in written.split(".")) if written.strip() else ()


def _placed(lines: Mapping[Place, int], faults: list[Fault]) -> Iterator[tuple[int, str]]:
    for place, said in faults:
        known = (place[:length] for length in range(len(place), 0, -1))
        yield next((lines[part] for part in known if part in lines), 1), f"{'.'.join(place)} {said}"


def _template(name: str, table: object) -> tuple[Template, list[Fault]]:
    """Return the template of a table, and what is wrong with it; a template with faults is of no use."""
    if not NAME.fullmatch(name):
        return Template(), [((name,), "is no name: write a-z, 0-9 and _, a letter first, 40 at most")]
    if not isinstance(table, dict):
        return Template(), [((name,), f"is no table: write [{name}], and below it sms = \"…\"")]
    faults = list(_unknown((name,), table, {"sms": str, "sms_by_locale": dict, "whatsapp": dict}))
    if faults:
        return Template(), faults
    text, by_locale, whatsapp = table.get("sms", ""), table.get("sms_by_locale", {}), table.get("whatsapp")
    if "sms" in table and (fault := text_fault(text)):
        faults.append(((name, "sms"), fault))
    if by_locale and "sms" not in table:
        faults.append(((name, "sms_by_locale"), "needs sms, for all other languages"))
    elif "sms" not in table and whatsapp is None:
        faults.append(((name,), "has neither sms nor whatsapp"))
    faults += _tags((name, "sms_by_locale"), by_locale)
    faults += _texts((name, "sms_by_locale"), by_locale, known=None if faults else set(placeholders(text)))
    approved, more = _approved((name, "whatsapp"), whatsapp) if whatsapp is not None else (None, [])
    return Template(text, _by_tag(by_locale), approved), faults + more


def _approved(place: Place, table: dict[str, Any]) -> tuple[Approved | None, list[Fault]]:
    faults = list(_unknown(place, table, {"content_sid": str, "content_sid_by_locale": dict, "variables": dict}))
    if faults:
        return None, faults
    sids, variables = table.get("content_sid_by_locale", {}), table.get("variables", {})
    if "content_sid" not in table:
        faults.append((place, "has no content_sid"))
    elif not SID.fullmatch(table["content_sid"]):
        faults.append(((*place, "content_sid"), "must be HX and 32 hex digits, as Twilio shows it"))
    faults += _tags((*place, "content_sid_by_locale"), sids)
    for tag, sid in sids.items():
        if not (isinstance(sid, str) and SID.fullmatch(sid)):
            faults.append(((*place, "content_sid_by_locale", tag), "must be HX and 32 hex digits, as Twilio shows it"))
    for placeholder, name in variables.items():
        if not PLACEHOLDER.fullmatch(placeholder):
            faults.append(((*place, "variables", placeholder), "is no placeholder: write 1, 2 or a name"))
        elif not (isinstance(name, str) and NAME.fullmatch(name)):
            faults.append(((*place, "variables", placeholder), "must be the name of a variable: a-z, 0-9 and _"))
    return Approved(table.get("content_sid", ""), _by_tag(sids), variables), faults


def _unknown(place: Place, table: dict[str, Any], known: Mapping[str, type]) -> Iterator[Fault]:
    """Return a fault for each key that is not known, or has a value of another kind."""
    for key, value in table.items():
        if key not in known:
            yield (*place, key), f"is not known: write {', '.join(known)}"
        elif not isinstance(value, known[key]):
            yield (*place, key), "must be a text in quotes" if known[key] is str else "must be a table"


def _tags(place: Place, table: Mapping[str, object]) -> Iterator[Fault]:
    seen: set[str] = set()
    for tag in table:
        if not LANGUAGE_TAG.fullmatch(tag):
            yield (*place, tag), "is no language tag: write one such as es or pt-BR"
        elif language_tag(tag) in seen:
            yield (*place, tag), "stands twice: pt_BR and pt-br are the same tag"
        seen.add(language_tag(tag))


def _texts(place: Place, table: Mapping[str, object], known: set[str] | None) -> Iterator[Fault]:
    """Return the faults of translations. `known`: the names in the text itself, None where that has a fault."""
    for tag, text in table.items():
        if not isinstance(text, str):
            yield (*place, tag), "must be a text in quotes"
        elif fault := text_fault(text):
            yield (*place, tag), fault
        elif known is not None and (more := set(placeholders(text)) - known):
            yield (*place, tag), f"has {{{min(more)}}}, which sms has not"


def _by_tag(table: Mapping[str, Any]) -> dict[str, Any]:
    return {language_tag(tag): value for tag, value in table.items()}
