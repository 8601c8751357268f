"""`.env.example` and the tables of docs/settings.md, made from the settings models; docs/twilio-errors.md likewise.

`python -m otp_app.startup.reference` writes all, in the root of the repository.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from pathlib import Path
from textwrap import wrap
from typing import Any

from otp_app.channels.twilio import errors
from otp_app.settings.model import Field
from otp_app.startup.reader import READER

EXAMPLE, DOCUMENT, ERRORS = Path(".env.example"), Path("docs/settings.md"), Path("docs/twilio-errors.md")
BEGIN = "<!-- from here to the end of the tables: made by python -m otp_app.startup.reference -->\n"
END = "<!-- end of the tables -->\n"
PREFACE = """\
# Every setting with its default. Copy this file to .env and change what you need. docs/settings.md has the details.
# NAME_FILE=/path reads the value of NAME from a file. Made by `python -m otp_app.startup.reference`.
"""
ERRORS_PREFACE = """\
# Twilio's error numbers

What each means for a message of this server: the `explanation` of [a message that did not arrive](delivery.md). Twilio
has a page for others: `https://www.twilio.com/docs/api/errors/NUMBER`. A link to a number here ends with it, as in
[63016](#63016). Made by `python -m otp_app.startup.reference`.

| number | [class](delivery.md#what-the-classes-mean) | what it means, and what helps | another channel may help |
|---|---|---|---|
"""
TABLE = "| name | default | value | meaning |\n|---|---|---|---|\n"

_LINK = re.compile(r"\[([^][]++)\]\(([^)(]++)\)")


def example(fields: Iterable[Field]) -> str:
    """Return the text of `.env.example`."""
    return PREFACE + "".join(_heading("\n# ---- {}\n\n", field) + _comment(field) + _line(field) for field in fields)


def document(text: str, fields: Iterable[Field]) -> str:
    """Return the text of docs/settings.md with its tables made again."""
    before, _, rest = text.partition(BEGIN)
    tables = "".join(_heading("\n## {}\n\n" + TABLE, field) + _row(field) for field in fields)
    return f"{before}{BEGIN}{tables}\n{END}{rest.partition(END)[2]}"


def errors_page() -> str:
    """Return the text of docs/twilio-errors.md."""
    meanings = ((code, errors.meaning(code)) for code in sorted(errors.CODES))
    return ERRORS_PREFACE + "".join(
        f'| <a id="{code}"></a>{code} | `{means.error_class}` | {means.sentence} | '
        f"{'yes' if means.elsewhere else 'no'} |\n"
        for code, means in meanings
    )


def _heading(form: str, field: Field) -> str:
    return form.format(field.setting.group) if field.setting.group else ""


def _comment(field: Field) -> str:
    """The first sentence about a setting, its values, and whether it may be empty, as comments."""
    said = field.setting.meaning.partition(". ")[0].removesuffix(".") + "."
    said += f" Value: {field.form}." if field.form else ""
    said += " Never empty." if field.setting.guard else ""
    plain = _LINK.sub(_beside, said).replace("`", "")
    return "".join(f"# {line}\n" for line in wrap(plain, 116, break_on_hyphens=False))


def _beside(link: re.Match[str]) -> str:
    """Return a link of docs/settings.md as text, with its path from the root."""
    return f"{link[1]} ({posixpath.normpath(f'docs/{link[2]}')})"


def _line(field: Field) -> str:
    return f"#{field.variable}={text_of(field.default)}\n"


def _row(field: Field) -> str:
    text = text_of(field.default)
    default = field.setting.default or (f"`{text}`" if text else "not set")
    return f"| `{field.variable}` | {default} | {field.form} | {field.setting.meaning} |\n"


def text_of(value: Any) -> str:
    """Return a default as one writes it."""
    match value:
        case bool():
            return str(int(value))
        case float():
            return f"{value:.10f}".rstrip("0").rstrip(".")
        case tuple() | frozenset():
            return ",".join(map(text_of, value))
        case int() | str():
            return str(value)
    return ""  # nothing, in a form that only its setting knows


if __name__ == "__main__":
    EXAMPLE.write_text(example(READER.fields.values()), encoding="utf-8")
    shown = document(DOCUMENT.read_text(encoding="utf-8"), READER.fields.values())
    DOCUMENT.write_text(shown, encoding="utf-8")
    ERRORS.write_text(errors_page(), encoding="utf-8")
