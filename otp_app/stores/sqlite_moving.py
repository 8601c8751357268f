"""Moving a SQLite store: reading all of it, filling it, and freezing it so that nothing is changed meanwhile."""

from __future__ import annotations

import sqlite3

from otp_app.core.interfaces import Freeze

BATCH = 1000  # rows of one look, when all are read

SCAN = "SELECT key, value, expires - ? FROM entries WHERE key > ? AND expires > ? ORDER BY key LIMIT ?"
SCAN_COUNTERS = "SELECT key, count, expires - ? FROM counters WHERE key > ? AND expires > ? ORDER BY key LIMIT ?"
LOAD = "INSERT OR REPLACE INTO entries (key, value, expires) VALUES (?, ?, ?)"
LOAD_COUNTERS = "INSERT OR REPLACE INTO counters (key, count, expires) VALUES (?, ?, ?)"
CLEAR = "DELETE FROM entries WHERE rowid IN (SELECT rowid FROM entries LIMIT ?)"
FROZEN = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'entries' AND name GLOB 'frozen_*'"
#: A trigger for each kind of change, so that a store which is not frozen looks for nothing.
FREEZE = {
    (how, verb): f"CREATE TRIGGER frozen_{verb}_{how} BEFORE {verb} ON entries BEGIN SELECT raise(ABORT, '{how}'); END"
    for how in Freeze
    for verb in ("INSERT", "UPDATE", "DELETE")
}
THAW = tuple(f"DROP TRIGGER IF EXISTS frozen_{verb}_{how}" for how, verb in FREEZE)


def frozen(db: sqlite3.Connection) -> Freeze | None:
    """Return how the entries are frozen, or None."""
    rows = db.execute(FROZEN).fetchall()
    return Freeze(rows[0][0].rpartition("_")[2]) if rows else None


def thaw(db: sqlite3.Connection) -> None:
    """Let entries be changed again."""
    for statement in THAW:
        db.execute(statement)


def freeze(how: Freeze | None, db: sqlite3.Connection) -> None:
    """Let entries be changed by nobody; None: by everybody."""
    thaw(db)
    for (kind, _), statement in FREEZE.items():
        if kind == how:
            db.execute(statement)


def load(rows: list[tuple[str, bytes, float]], db: sqlite3.Connection) -> None:
    """Put rows there, frozen or not: thawed for this one transaction, nobody else can use it."""
    how = frozen(db)
    thaw(db)
    db.executemany(LOAD, rows)
    freeze(how, db)


def clear(db: sqlite3.Connection) -> int:
    """Delete some entries and return how many, frozen or not; 0 when all are gone."""
    how = frozen(db)
    thaw(db)
    gone = db.execute(CLEAR, (10 * BATCH,)).rowcount
    freeze(how, db)
    return gone
