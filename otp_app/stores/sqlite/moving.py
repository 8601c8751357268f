"""Moving a SQLite store: reading all of it, filling it, and freezing it so that nothing is changed meanwhile."""

from __future__ import annotations

import re
import sqlite3

from otp_app.core.moving import ANY, Freeze, Hold
from otp_app.stores.holders import check_holder

BATCH = 1000  # rows of one look, when all are read

SCAN = "SELECT key, value, expires - ? FROM entries WHERE key > ? AND expires > ? ORDER BY key LIMIT ?"
SCAN_COUNTERS = "SELECT key, count, expires - ? FROM counters WHERE key > ? AND expires > ? ORDER BY key LIMIT ?"
LOAD = "INSERT OR REPLACE INTO entries (key, value, expires) VALUES (?, ?, ?)"
LOAD_COUNTERS = "INSERT OR REPLACE INTO counters (key, count, expires) VALUES (?, ?, ?)"
CLEAR = "DELETE FROM entries WHERE rowid IN (SELECT rowid FROM entries LIMIT ?)"
FROZEN = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'entries' AND name GLOB 'frozen_*'"
VERBS = ("INSERT", "UPDATE", "DELETE")
#: A trigger for each kind of change, so that a store which is not frozen looks for nothing. Its text names the copy.
FREEZE = (
    "CREATE TRIGGER frozen_{verb}_{how} BEFORE {verb} ON entries BEGIN SELECT raise(ABORT, '{how}'); SELECT '{by}'; END"
)
THAW = tuple(f"DROP TRIGGER IF EXISTS frozen_{verb}_{how}" for how in Freeze for verb in VERBS)
HOLDER = re.compile(r"SELECT '([^']*)'; END$")


def frozen(db: sqlite3.Connection) -> Freeze | None:
    """Return how the entries are frozen, or None."""
    found = hold(db)
    return found.how if found else None


def hold(db: sqlite3.Connection) -> Hold | None:
    """Return how and by which copy the entries are frozen, or None."""
    for name, statement in db.execute(FROZEN).fetchall():
        holder = HOLDER.search(statement)
        return Hold(Freeze(name.rpartition("_")[2]), holder[1] if holder else "")
    return None


def change(was: Hold | None, new: Hold | None, db: sqlite3.Connection) -> bool:
    """Put one freeze in the place of another (None: no freeze), if that is there; return whether it was."""
    if was != ANY and hold(db) != was:
        return False
    _put(new, db)
    return True


def _put(new: Hold | None, db: sqlite3.Connection) -> None:
    for statement in THAW:
        db.execute(statement)
    for statement in _triggers(new) if new else ():
        db.execute(statement)


def _triggers(hold: Hold) -> list[str]:
    """CREATE takes no parameters; the name of a copy has letters, digits, `-` and `.` only."""
    if not re.fullmatch("[A-Za-z0-9.-]*", hold.by):
        raise ValueError("the name of a copy has letters, digits, - and . only")
    return [FREEZE.format(verb=verb, how=hold.how, by=hold.by) for verb in VERBS]


def load(rows: list[tuple[str, bytes, float]], by: str | None, db: sqlite3.Connection) -> None:
    """Put rows there, frozen or not: thawed for this one transaction, in which no other can use it."""
    held = _held(by, db)
    _put(None, db)
    db.executemany(LOAD, rows)
    _put(held, db)


def clear(by: str | None, db: sqlite3.Connection) -> int:
    """Delete some entries and return how many, frozen or not; 0 when all are gone."""
    held = _held(by, db)
    _put(None, db)
    gone = db.execute(CLEAR, (10 * BATCH,)).rowcount
    _put(held, db)
    return gone


def _held(by: str | None, db: sqlite3.Connection) -> Hold | None:
    held = hold(db)
    check_holder(held, by)
    return held
