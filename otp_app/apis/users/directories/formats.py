"""What a file of users says: bytes -> user id in its one spelling -> number, "" where the user has none.

Every fault is a ValueError that names a line or an entry, and nothing of what is there.
"""

from __future__ import annotations

import csv
import io
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator

from otp_app.apis.users.user_id import user_id as spelled
from otp_app.core.phone import is_number

Users = dict[str, str]
Row = tuple[int, str, object]  # which one, the user id, the number as it is there

WRITE = "write it as text in international form, such as +14155552671, one number without extension, or leave it empty"


def read_csv(content: bytes) -> Users:
    """Read a table whose header names `user_id` and `phone_number`, whatever else, in any order."""
    rows = csv.reader(io.StringIO(_text(content), newline=""), strict=True)
    try:
        header = [name.strip() for name in next(rows, [])]
        if header.count("user_id") != 1 or header.count("phone_number") != 1:
            raise ValueError("line 1 must name the columns, user_id and phone_number once each, with commas between")
        return _users("row", _cells(rows, header))
    except csv.Error:
        raise ValueError(f"line {rows.line_num} is not CSV") from None


def _cells(rows: Iterator[list[str]], header: list[str]) -> Iterator[Row]:
    user_id, phone = header.index("user_id"), header.index("phone_number")
    for number, row in enumerate(rows, start=2):
        if not row:
            continue
        if len(row) != len(header):  # half a line, or a comma too many: the number could be another's
            raise ValueError(f"row {number} has {len(row)} fields, the header {len(header)}")
        yield number, row[user_id], row[phone]


def read_json(content: bytes) -> Users:
    """Read an object of user ids with their numbers; null: none."""
    try:
        pairs = json.loads(_text(content), object_pairs_hook=tuple, parse_int=float)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno} is not JSON") from None
    except RecursionError:
        pairs = None
    if not isinstance(pairs, tuple):
        raise ValueError("it must be one object of user ids with their numbers")
    return _entries(pairs)


def read_toml(content: bytes) -> Users:
    """Read the table `[users]`, or the top where there is none."""
    text = _text(content)
    try:
        top = tomllib.loads(text)
    except ValueError as error:
        line = re.search(r"\(at (line \d+), column \d+\)\Z", str(error))
        raise ValueError(f"{line[1] if line else 'it'} is not TOML") from None
    except RecursionError:
        raise ValueError("it must be one table of user ids with their numbers") from None
    if not top:  # a file that was cut off, as on a full disk
        raise ValueError("it is empty: a file of no users has the line [users]")
    users = top.get("users")
    if not isinstance(users, dict):
        return _entries(top.items())
    if any(isinstance(value, str) and is_number(value.strip()) for value in top.values()):
        raise ValueError("it has users before the table [users], where none are read: move them into it")
    return _entries(users.items())


#: the file's ending -> how it is read
FORMATS: dict[str, Callable[[bytes], Users]] = {".csv": read_csv, ".json": read_json, ".toml": read_toml}


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line} is not UTF-8") from None


def _entries(pairs: Iterable[tuple[str, object]]) -> Users:
    return _users("entry", ((number, user_id, phone) for number, (user_id, phone) in enumerate(pairs, start=1)))


def _users(kind: str, rows: Iterable[Row]) -> Users:
    users: Users = {}
    places: dict[str, int] = {}
    for number, name, phone in rows:
        where, user_id = f"{kind} {number}", spelled(name)
        if not user_id:
            raise ValueError(f"{where} has no user id")
        if first := places.get(user_id):
            same = "upper and lower case, composed letters and blanks around do not count"
            raise ValueError(f"{where} has the user id of one before, {kind} {first} ({same})")
        users[user_id], places[user_id] = _phone(where, phone), number
    return users


def _phone(where: str, phone: object) -> str:
    if not isinstance(phone, str | None):
        raise ValueError(f"{where} has a number that is no text: write it in quotes")
    text = (phone or "").strip()
    if text and not is_number(text):
        raise ValueError(f"{where} has a phone number that cannot be read: {WRITE}")
    return text
