"""Writes rows, each as often as one likes: a row is replaced by one that knows more, and the totals follow."""

from __future__ import annotations

from collections.abc import Sequence

from otp_app.core.endings import Ending
from otp_app.core.policy import DAY, HOUR
from otp_app.history import attempt_counts, later_messages, totals
from otp_app.history.database import Database, Session
from otp_app.history.rows import Numbers, Row, row_of
from otp_app.history.schema import ADD, COLUMNS, FIXED, MARK, PUT, marks

MOST_AT_ONCE = 200  # rows of one transaction: of SQLite's many writers none waits long
OLD_AT_ONCE = 500
ERASED = "erased:"  # how the mark of a number that was erased begins; its name follows
HELD = HOUR  # seconds in which a server may still hold a row of it that it could not write

_COLUMNS = ", ".join(COLUMNS)


def write(database: Database, endings: Sequence[Ending], numbers: Numbers) -> int:
    """Write these, at most MOST_AT_ONCE, and return how many were news; none of a number that was erased since they
    began. Raises StoreUnavailable: none is written.
    """  # fmt: skip
    rows = {ending.id: row_of(ending, numbers) for ending in endings}
    with database.writing() as session:
        if erased := _erased(session):
            rows = {id_: row for id_, row in rows.items() if row.begun > erased.get(row.number, 0.0)}
        known = _known(session, list(rows))
        rows |= {id_: _as_it_began(rows[id_], there) for id_, there in known.items()}
        fresh = [row for row in rows.values() if _is_news(known.get(row.id), row)]
        if fresh:
            replaced = [known[row.id] for row in fresh if row.id in known]
            session.many(PUT, fresh)
            session.many(ADD, totals.changes(fresh, replaced))
            attempt_counts.change(session, fresh, replaced)
            later_messages.change(session, fresh, replaced)
    return len(fresh)


def forget_old(database: Database, before: float, wall: float) -> int:
    """Delete some of the rows that began before a moment (wall clock, seconds), and return how many.

    `wall`: now; marks of numbers that were erased are forgotten after HELD. Raises StoreUnavailable.
    """
    with database.writing() as session:
        query = "SELECT id FROM otp_history WHERE begun < ? ORDER BY begun LIMIT ?"
        ids = [id_ for (id_,) in session.rows(query, (before, OLD_AT_ONCE))]
        delete(session, ids)
        session.change("DELETE FROM otp_history_totals WHERE day < ?", (int(before // DAY),))
        session.change("DELETE FROM otp_history_marks WHERE name LIKE ? AND at < ?", (f"{ERASED}%", wall - HELD))
    return len(ids)


def erase(database: Database, number: str, wall: float) -> int:
    """Delete the rows of a number, by its name, and return how many. The totals keep what they counted.

    `wall`: now, in seconds; what began before is not written by servers that still hold it. Raises StoreUnavailable.
    """
    with database.writing() as session:
        session.change(MARK, (f"{ERASED}{number}", wall))
        ids = [id_ for (id_,) in session.rows("SELECT id FROM otp_history WHERE number = ?", (number,))]
        for first in range(0, len(ids), OLD_AT_ONCE):
            delete(session, ids[first : first + OLD_AT_ONCE])
    return len(ids)


def delete(session: Session, ids: Sequence[str]) -> None:
    """Delete the rows with these ids; their attempts are not counted any more."""
    if ids:
        gone = _known(session, ids).values()
        session.change(f"DELETE FROM otp_history WHERE id IN ({marks(len(ids))})", ids)
        attempt_counts.change(session, [], gone)
        later_messages.change(session, [], gone)


def _erased(session: Session) -> dict[str, float]:
    """Return when numbers were erased, by their names: mostly none."""
    marked = session.rows("SELECT name, at FROM otp_history_marks WHERE name LIKE ?", (f"{ERASED}%",))
    return {name.removeprefix(ERASED): at for name, at in marked}


def _known(session: Session, ids: Sequence[str]) -> dict[str, Row]:
    """Return the rows of these ids that are there: mostly none."""
    there = session.rows(f"SELECT id FROM otp_history WHERE id IN ({marks(len(ids))})", ids) if ids else []
    if not there:
        return {}
    query = f"SELECT {_COLUMNS} FROM otp_history WHERE id IN ({marks(len(there))})"
    return {row[0]: Row._make(row) for row in session.rows(query, [id_ for (id_,) in there])}


def _as_it_began(row: Row, known: Row) -> Row:
    """Return the row with what the one that is there says of the beginning: a clock may have been set since."""
    return Row._make((*known[: len(FIXED)], *row[len(FIXED) :]))


def _is_news(known: Row | None, row: Row) -> bool:
    """Return whether a row says more than the one that is there; a late one of another process may say less."""
    return known is None or known.steps < row.steps or (known.steps == row.steps and known != row)
