"""A row of the history: the number masked, and as an HMAC under a key of this installation, by which it is found."""

from __future__ import annotations

import hmac
import json
from typing import NamedTuple

from otp_app.core.endings import Ending, Message
from otp_app.core.phone import calling_code, mask
from otp_app.history.schema import COLUMNS

#: digits of a number behind its calling code that its prefix has: enough for a network, and far too few for a person
PREFIX_DIGITS = 3
KEY = "key:"  # how the mark of a key begins

_JSON = json.JSONEncoder(separators=(",", ":"))  # ASCII: a database takes neither a zero byte nor half a character


class Row(NamedTuple):
    """One row of otp_history, in the order of schema.COLUMNS."""

    id: str
    kind: str  # endings.Kind
    api: str
    key_name: str
    subject: str  # the purpose of a verification, the template of a notification
    number: str  # its name; see Numbers
    shown: str  # the number, masked
    country: str
    prefix: str
    begun: float  # wall clock, seconds
    digits: int
    message: str  # id of the first message
    channel: str
    channels: str  # of all messages that left or may have, with commas
    outcome: str
    delivery: str
    error: str
    error_code: int
    ended: float
    delivered_after: float | None
    approved_after: float | None
    attempts: int
    sends: int
    messages: str  # JSON: see messages_in
    tags: str  # JSON, "" without any
    steps: int


assert Row._fields == COLUMNS  # noqa: S101  the statements name them


class Numbers:
    """Names numbers with a key that follows from the index key."""

    def __init__(self, index_key: bytes) -> None:
        self._key = hmac.digest(index_key, b"otp history 1", "sha256")
        self.mark = f"{KEY}{hmac.digest(self._key, b'key', 'sha256')[:8].hex()}"  # of the key, among a history's marks

    def name(self, phone: str) -> str:
        """Return the name of a number (E.164), "" for none: 128 bits of HMAC."""
        return hmac.digest(self._key, phone.encode(), "sha256")[:16].hex() if phone else ""


def prefix(digits: str) -> str:
    """Return what a row has of the beginning of a number (E.164), which may be incomplete."""
    return digits[: len(calling_code(digits)) + PREFIX_DIGITS]


def row_of(ending: Ending, numbers: Numbers) -> Row:
    """Return the row of what has ended."""
    (api, key, _), phone, messages = ending.origin, ending.phone, ending.messages
    shown = mask(phone)
    return Row(
        ending.id, ending.kind, api, _text(key), ending.subject,
        numbers.name(phone), shown, ending.country, prefix(phone),
        ending.begun, ending.digits,
        messages[0].id if messages else "",
        ending.channel,
        ",".join([message.channel for message in messages if message.has_left]),
        ending.outcome, ending.delivery, ending.error, ending.error_code,
        ending.ended, ending.delivered_after, ending.approved_after, ending.attempts,
        len(messages),
        _JSON.encode(messages) if messages else "[]",
        _JSON.encode(dict(ending.tags)) if ending.tags else "",
        ending.steps,
    )


def messages_in(text: str) -> list[Message]:
    """Return the messages of a row, as far as this version knows their fields."""
    return [Message(*fields[: len(Message._fields)]) for fields in json.loads(text)]


def tags_in(text: str) -> dict[str, str]:
    """Return the tags of a row."""
    return dict(json.loads(text)) if text else {}


def _text(text: str) -> str:
    return text if text.isascii() else text.encode(errors="replace").decode()
