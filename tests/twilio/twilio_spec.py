"""Check requests and answers against OpenAPI 3.0 files, with the standard library only.

It knows the part of OpenAPI that Twilio's documents use: path templates, ``$ref`` to component
schemas, types, enum, pattern, lengths, required, properties, items, nullable, and the formats for
URLs and dates.

    specs = Specs.at_hand()                 # the folder that TWILIO_SPECS names, or where a checkout may have them
    op, params = specs.find("POST", "/v2/Services/VA…/Verifications")
    specs.request_problems(op, params, "application/x-www-form-urlencoded", form)
    specs.answer_problems(op, 201, answer_json)
"""
# ruff: noqa: C901  one schema, one function: its keywords are read in the order of the specification
from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

Json = dict[str, Any]
FORM = "application/x-www-form-urlencoded"
TYPES: dict[str, Any] = {"string": str, "integer": int, "number": (int, float), "boolean": bool,
                         "array": list, "object": dict}
#: format -> (in a request, in an answer); dates in answers as exactly as Twilio's clients read them
FORMATS = {"uri": (r"[a-z][a-z0-9+.-]*:\S+$", r"\S+$"),
           "date-time": (r"\d{4}-\d\d-\d\d", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"),
           "date-time-rfc-2822": (r"\w{3}, ", r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0000$")}
#: where no documents are at hand: the operations that the fake has handlers for, unchecked
_VERIFY, _MESSAGES = "/v2/Services/{ServiceSid}/", "/2010-04-01/Accounts/{AccountSid}/Messages"
UNCHECKED: dict[str, dict[str, tuple[str, str]]] = {
    _MESSAGES + ".json": {"post": ("CreateMessage", "201"), "get": ("ListMessage", "200")},
    _MESSAGES + "/{Sid}.json": {"get": ("FetchMessage", "200")},
    _VERIFY + "Verifications": {"post": ("CreateVerification", "201")},
    _VERIFY + "Verifications/{Sid}": {"post": ("UpdateVerification", "200"), "get": ("FetchVerification", "200")},
    _VERIFY + "VerificationCheck": {"post": ("CreateVerificationCheck", "200")},
    "/2010-04-01/Accounts/{Sid}.json": {"get": ("FetchAccount", "200")},
    "/2010-04-01/Accounts/{AccountSid}/IncomingPhoneNumbers.json": {"get": ("ListIncomingPhoneNumber", "200")},
    "/v2/Channels/Senders": {"get": ("ListChannelsSender", "200")},
    "/v1/Services/{Sid}": {"get": ("FetchService", "200")}, "/v2/Services/{Sid}": {"get": ("FetchService", "200")},
    "/v1/Services/{ServiceSid}/PhoneNumbers": {"get": ("ListPhoneNumber", "200")},
    "/v1/Services/{MessagingServiceSid}/ChannelSenders": {"get": ("ListChannelSender", "200")},
    "/v1/Content/{Sid}": {"get": ("FetchContent", "200")},
    "/v1/Content/{Sid}/ApprovalRequests": {"get": ("FetchApprovalFetch", "200")}}
PARTS = ("core", "admin", "numbers", "senders")
TEXT = {"integer": r"-?\d+", "number": r"-?\d+(\.\d+)?", "boolean": "(?i:true|false)"}


class NoSuchPath(LookupError):
    """No path of the documents matches."""


class NoSuchMethod(LookupError):
    """The path is there, without this method."""


class Specs:
    """The operations of some OpenAPI files."""

    def __init__(self, *files: Path) -> None:
        self.schemas: Json = {}
        self.routes: list[tuple[re.Pattern[str], Json]] = []
        for file in files:
            doc = json.loads(file.read_text(encoding="utf-8"))
            self.schemas.update(doc["components"]["schemas"])
            self._add(doc["paths"])
        if not files:
            self._add({path: {method: {"operationId": name, "responses": {status: {}}}
                              for method, (name, status) in item.items()} for path, item in UNCHECKED.items()})

    def _add(self, paths: Json) -> None:
        for path, item in paths.items():
            regex = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+?)", re.escape(path))
            self.routes.append((re.compile(regex + "$"), item))

    @classmethod
    def at_hand(cls) -> Specs:
        """All documents of Twilio in TWILIO_SPECS, else in the folder `shared/twilio` beside the
        repository. Where there are none, the fake works the same and checks nothing against them."""
        folder = Path(os.environ.get("TWILIO_SPECS") or Path(__file__).resolve().parents[3] / "shared" / "twilio")
        return cls(*(file for part in PARTS for file in sorted(folder.glob(f"*_{part}.json"))))

    def find(self, method: str, path: str) -> tuple[Json, dict[str, str]]:
        """The operation for a request line, and the path's parameters."""
        for regex, item in self.routes:
            if match := regex.match(path):
                if method.lower() not in item:
                    raise NoSuchMethod(method)
                return item[method.lower()], {k: unquote(v) for k, v in match.groupdict().items()}
        raise NoSuchPath(path)

    def request_problems(self, op: Json, params: dict[str, str], content_type: str,
                         form: dict[str, list[str]], body: str = "") -> list[str]:
        """Everything in which a request departs from the document (form: query and body fields)."""
        found: list[str] = []
        for p in op.get("parameters", []):
            value = params.get(p["name"]) if p["in"] == "path" else form.get(p["name"], [None])[-1]
            if value is not None:
                found += self.check(p["schema"], value, p["name"], text=True)
        content = op.get("requestBody", {}).get("content", {})
        if not content:
            return found
        if content_type not in content:
            return [*found, f"content type {content_type!r}, expected {sorted(content)}"]
        schema = content[content_type].get("schema", {})
        if content_type != FORM:
            return found + self.check(schema, json.loads(body or "null"), "body")
        known = schema.get("properties", {})
        found += [f"{name}: unknown parameter" for name in form if name not in known]
        found += [f"{name}: required" for name in schema.get("required", []) if name not in form]
        for name in known.keys() & form.keys():
            array = known[name].get("type") == "array"
            if not array and len(form[name]) > 1:
                found.append(f"{name}: given {len(form[name])} times")
            found += self.check(known[name], form[name] if array else form[name][-1], name, text=True)
        return found

    def answer_problems(self, op: Json, status: int, answer: Any) -> list[str]:
        """Everything in which an answer departs from the document. Twilio documents hardly any
        error answer; those are held to the four fields that its clients read."""
        if str(status) in op["responses"]:
            content = op["responses"][str(status)].get("content", {})
            schema = content.get("application/json", {}).get("schema", {})
            extra = schema.get("$ref") and answer.keys() - self.schemas[schema["$ref"].rsplit("/", 1)[1]]["properties"]
            return self.check(schema, answer, "answer") + [f"answer.{n}: unknown field" for n in extra or ()]
        if status < 400:
            return [f"status {status}, expected {sorted(op['responses'])}"]
        wanted = {"code": int, "message": str, "more_info": str, "status": int}
        return [f"error answer: {n} must be {t.__name__}" for n, t in wanted.items()
                if not isinstance(answer.get(n), t)]

    def check(self, schema: Json, value: Any, where: str, text: bool = False) -> list[str]:
        """Check one value; with text=True numbers and booleans come as form text."""
        if "$ref" in schema:
            schema = self.schemas[schema["$ref"].rsplit("/", 1)[1]]
        kind = schema.get("type", "")
        if value is None:
            return [] if schema.get("nullable") or not kind else [f"{where}: null"]
        if text and kind in TEXT:
            return [] if re.fullmatch(TEXT[kind], value) else [f"{where}: {value!r} is no {kind}"]
        numeric = kind in ("integer", "number")
        if kind in TYPES and (not isinstance(value, TYPES[kind]) or (numeric and isinstance(value, bool))):
            return [f"{where}: {type(value).__name__}, expected {kind}"]
        found = []
        if "enum" in schema and value not in schema["enum"]:
            found.append(f"{where}: {value!r} is not one of {schema['enum']}")
        if isinstance(value, str):
            if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
                found.append(f"{where}: length {len(value)}")
            if not re.search(schema.get("pattern", ""), value):
                found.append(f"{where}: {value!r} does not match {schema['pattern']}")
            if not re.match(FORMATS.get(schema.get("format", ""), ("", ""))[not text], value):
                found.append(f"{where}: {value!r} is no {schema['format']}")
        elif isinstance(value, list):
            for i, item in enumerate(value):
                found += self.check(schema.get("items", {}), item, f"{where}[{i}]", text)
        elif isinstance(value, dict):
            found += [f"{where}.{n}: required" for n in schema.get("required", []) if n not in value]
            for name in schema.get("properties", {}).keys() & value.keys():
                found += self.check(schema["properties"][name], value[name], f"{where}.{name}", text)
        return found
