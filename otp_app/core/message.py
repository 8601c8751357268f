"""The text that people read: a template with a closed set of values, per language."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass, field

LOCALE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")  # the shape of a language tag (RFC 5646)
ON_ITS_WAY = 5.0  # seconds by which a code may be called older than it is, so that 300 are five minutes
VALUES = ("code", "app", "minutes")


@dataclass(frozen=True, slots=True)
class Texts:
    """What a message says. Only the operator writes templates; callers choose a language at most."""

    default: str = "Your OTP is: {code}"
    by_locale: Mapping[str, str] = field(default_factory=dict)  # lower-case language tag -> template
    app_name: str = ""
    origin: str = ""  # host that the code is bound to in the last line, for browsers that fill it in

    def render(self, code: str, ttl: float, locale: str = "") -> str:
        """Return the whole text; `ttl` is what is left of the code's life in seconds, told in whole minutes."""
        minutes = max(int((ttl + ON_ITS_WAY) // 60), 1)
        text = self._template(locale).format(code=code, app=self.app_name, minutes=minutes)
        return f"{text}\n\n@{self.origin} #{code}" if self.origin else text

    def _template(self, locale: str) -> str:
        tag = locale.lower()
        return self.by_locale.get(tag) or self.by_locale.get(tag.partition("-")[0]) or self.default


def template_fault(template: str) -> str | None:
    """Say what is wrong with a template, None if nothing is: it needs {code}, and may have {app} and {minutes}."""
    try:
        values = [value for value in string.Formatter().parse(template) if value[1] is not None]
    except ValueError:
        return "has a brace without its partner"
    if any(form or conversion for _, _, form, conversion in values):
        return "has more than a name between braces"
    names = {name or "" for _, name, _, _ in values}
    if unknown := sorted(names - set(VALUES)):
        return f"has {{{unknown[0]}}}, which is none of {{code}}, {{app}}, {{minutes}}"
    return None if "code" in names else "lacks {code}"
