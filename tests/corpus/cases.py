"""The corpus format, which README.md explains: documents of cases and sequences, and the bytes of a case."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.corpus.placeholders import ROUTES, Placeholders

ENTRY_POINTS = ("SEND", "RESEND", "VERIFY")


@dataclass(frozen=True)
class Case:
    """One request and what must be true of its answer."""

    id: str
    target: str  # an entry point, or the kind of a case that names its own path or bytes
    data: dict[str, Any]

    @property
    def expect(self) -> list[Any]:
        """The statuses that are right; "close" for a connection closed without an answer."""
        return list(self.data["expect"])

    @property
    def invariants(self) -> list[str]:
        """The names of what must hold besides."""
        return list(self.data.get("inv", ()))

    @property
    def needs_records(self) -> bool:
        """Whether the store has a say in the answer: a code is sent before the case, or may be sent by it."""
        return self.data.get("pre") == "sent" or not {200, 202}.isdisjoint(self.expect)

    @property
    def headers(self) -> dict[str, str]:
        """The headers that the case itself names."""
        return {name: _expand(value) for name, value in self.data.get("headers", {}).items()}

    def request(self, values: Placeholders) -> bytes:
        """The bytes to send."""
        if "raw" in self.data:
            return values.fill(_expand(self.data["raw"])).encode("latin-1")
        path = values.fill(_expand(self.data.get("path") or ROUTES[self.target]))
        values.body = body = _body(self.data["body"], values) if "body" in self.data else b""
        head = [f"{self.data.get('method', 'POST')} {path} HTTP/1.1"]
        head += [f"{name}: {values.fill(value)}" for name, value in self._all_headers(values, len(body)).items()]
        return b"\r\n".join(_as_bytes(line) for line in head) + b"\r\n\r\n" + body

    def _all_headers(self, values: Placeholders, length: int) -> dict[str, str]:
        headers = {"Host": values.fill("{{HOST}}"), "Content-Type": "application/json", "Content-Length": str(length)}
        named = {name.lower() for name in (*self.headers, *self.data.get("drop_headers", ()))}
        return {name: value for name, value in headers.items() if name.lower() not in named} | self.headers


def documents() -> Iterator[dict[str, Any]]:
    """Every document beside this file, and those of the folder that OTP_CORPUS names."""
    folders = (Path(__file__).parent, *map(Path, filter(None, [os.environ.get("OTP_CORPUS")])))
    for path in (path for folder in folders for path in sorted(folder.glob("*.json"))):
        yield json.loads(path.read_text(encoding="utf-8"))


def cases() -> list[Case]:
    """Every case; one for ANY entry point becomes one for each."""
    return [
        Case(data["id"], target, data)
        for document in documents()
        for data in document["cases"]
        for target in (ENTRY_POINTS if data["target"] == "ANY" else (data["target"],))
    ]


def _body(body: dict[str, Any], values: Placeholders) -> bytes:
    (kind,) = body.keys() & _BODIES.keys()
    return _BODIES[kind](body, values)


def _text(body: dict[str, Any], values: Placeholders) -> bytes:
    return values.fill(body["text"]).encode(body.get("encoding", "utf-8"))


def _base64(body: dict[str, Any], values: Placeholders) -> bytes:
    return base64.b64decode(body["base64"])


def _repeat(body: dict[str, Any], values: Placeholders) -> bytes:
    return values.fill(_expand(body)).encode()


def _nest(body: dict[str, Any], values: Placeholders) -> bytes:
    parts = body["nest"]
    return values.fill(parts["open"] * parts["count"] + parts["mid"] + parts["close"] * parts["count"]).encode()


def _keys(body: dict[str, Any], values: Placeholders) -> bytes:
    count, value = body["keys"]["count"], values.fill(body["keys"]["value"])
    return ("{" + ",".join(f'"k{n}":{value}' for n in range(count)) + "}").encode()


_BODIES: dict[str, Callable[[dict[str, Any], Placeholders], bytes]] = {
    "text": _text, "base64": _base64, "repeat": _repeat, "nest": _nest, "keys": _keys,
}  # fmt: skip


def _expand(text: str | dict[str, Any]) -> str:
    """A text, which may be written as {"repeat": …} where it is long."""
    if isinstance(text, str):
        return text
    parts = text["repeat"]
    return str(parts["prefix"] + parts["unit"] * parts["count"] + parts["suffix"])


def _as_bytes(line: str) -> bytes:
    try:
        return line.encode("latin-1")
    except UnicodeEncodeError:
        return line.encode()
