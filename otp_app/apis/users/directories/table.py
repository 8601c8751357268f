"""Which table and columns of a database have the users, as a URL's options say."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple
from urllib.parse import unquote

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


class Table(NamedTuple):
    """Names that can stand in quotes in a statement."""

    table: str = "users"
    id: str = "user_id"
    phone: str = "phone_number"


def split(url: str) -> tuple[str, Table]:
    """Return a URL without the options `table`, `id` and `phone`, and what they name. Raises ValueError."""
    place, _, query = url.partition("?")
    pairs = [option.partition("=") for option in query.split("&") if option]
    own = {name: unquote(value) for name, _, value in pairs if name in Table._fields}
    others = ["".join(pair) for pair in pairs if pair[0] not in Table._fields]
    if not all(_NAME.fullmatch(value) for value in own.values()):
        raise ValueError("table, id and phone are names of letters, digits and _, as the database has them")
    return "?".join([place, "&".join(others)] if others else [place]), Table(**own)


def can_be_stored(user_id: str) -> bool:
    """Whether a database could have this text: no NUL, no half of a pair of surrogates."""
    return "\0" not in user_id and not any("\ud800" <= character <= "\udfff" for character in user_id)


def spellings(user_id: str) -> tuple[str, str]:
    """Return the composed and the decomposed form of an id, in either of which a database may have it."""
    return unicodedata.normalize("NFC", user_id), unicodedata.normalize("NFD", user_id)


def one(rows: list[tuple[str | None]]) -> str | None:
    """Return the number of the only row, "" for NULL, None for no row. Raises ValueError for more."""
    if len(rows) > 1:
        raise ValueError("two users have this id; upper and lower case are the same")
    return (rows[0][0] or "").strip() if rows else None
