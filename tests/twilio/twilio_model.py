"""What the parts of the fake share: a request, an error answer, the error table."""
from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from tests.twilio.twilio_spec import Json

E164 = re.compile(r"\+[1-9]\d{6,14}")
#: code -> {http, when, seen, message, meaning, seen: how sure we are}
ERRORS: dict[str, Json] = json.loads(Path(__file__).with_name("twilio_errors.json").read_text(encoding="utf-8"))
#: Twilio's test numbers: as sender, as recipient, and the one sender that works
MAGIC_FROM = {"+15005550001": 21212, "+15005550007": 21606, "+15005550008": 21611}
MAGIC_TO = {"+15005550001": 21211, "+15005550002": 21612, "+15005550003": 21408, "+15005550004": 21610,
            "+15005550009": 21614}


class TwilioError(Exception):
    """An error answer: Twilio's code, the HTTP status and the message ({0}, {1} filled with values)."""

    def __init__(self, code: int, *values: str, status: int | None = None, message: str | None = None,
                 retry_after: int | None = None) -> None:
        known = ERRORS.get(str(code), {})
        self.code, self.status, self.retry_after = code, status or known.get("http") or 400, retry_after
        self.message = message or known.get("message", "Error").format(*values, "", "")
        super().__init__(f"{code} {self.message}")


@dataclass
class Sent:
    """A message that was accepted. `api` is the JSON that Twilio shows for it now."""
    api: Json
    form: dict[str, str]
    text: str
    plan: list[str] = field(default_factory=list)  # statuses that it goes through, such as "undelivered:30003"

    @property
    def code(self) -> str | None:
        """The one-time code in the text, if there is one."""
        found = re.search(r"(?<!\d)\d{4,10}(?!\d)", self.text)
        return found.group() if found else None


@dataclass
class Fault:
    """How the next matching requests fail; see FakeTwilio.fail."""
    code: int
    times: int = 1
    status: int | None = None
    message: str | None = None
    to: str | None = None
    operation: str | None = None
    retry_after: int | None = None
    drop: bool = False


@dataclass
class Call:
    """One request as it came, and what it departs from Twilio's documents in."""
    method: str
    path: str
    headers: dict[str, str]
    form: dict[str, list[str]]
    body: str
    operation: str = ""
    params: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    strict: bool = True

    def get(self, name: str) -> str:
        """A form or query field, "" where it is missing."""
        return self.form.get(name, [""])[-1]

    def require_spec(self) -> None:
        """Each handler calls this after Twilio's own checks and before it changes anything."""
        if self.problems and self.strict:
            raise TwilioError(20001, "; ".join(self.problems))
