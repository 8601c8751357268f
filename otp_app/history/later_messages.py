"""Where the second and further messages of verifications are found by their ids; the first one is in the row itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from otp_app.core.endings import Kind
from otp_app.core.policy import DAY
from otp_app.history.database import Session
from otp_app.history.rows import Row, messages_in

_PUT = "INSERT INTO otp_history_later (piece, id) VALUES (?, ?) ON CONFLICT (piece, id) DO NOTHING"
_REMOVE = "DELETE FROM otp_history_later WHERE piece = ? AND id = ?"


def piece(message_id: str) -> str:
    """Return what the index has of an id: one in four thousand millions is the same."""
    return message_id[2:10]


def change(session: Session, new: Iterable[Row], gone: Iterable[Row]) -> None:
    """Have the messages of the rows that come found, and those of the rows that go no more."""
    if old := [pair for row in gone if row.sends > 1 for pair in _of(row.kind, row.id, row.messages)]:
        session.many(_REMOVE, old)
    if pairs := [pair for row in new if row.sends > 1 for pair in _of(row.kind, row.id, row.messages)]:
        session.many(_PUT, pairs)


def note_day(session: Session, day: int) -> None:
    """Have the messages of the rows of a day found."""
    query = "SELECT kind, id, messages FROM otp_history WHERE begun >= ? AND begun < ? AND sends > 1"
    session.many(_PUT, [pair for row in session.rows(query, (day * DAY, (day + 1) * DAY)) for pair in _of(*row)])


def _of(kind: str, id_: str, messages: str) -> Iterator[tuple[str, str]]:
    if kind == Kind.VERIFICATION:
        yield from ((piece(message.id), id_) for message in messages_in(messages)[1:])
