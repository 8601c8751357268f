"""Moving a SQLite store: reading all of it, filling it, and freezing it so that nothing is changed meanwhile."""

from __future__ import annotations

import re
import sqlite3

from otp_app.core.moving import ANY, Freeze, Hold
from otp_app.stores.holders import check_holder
from otp_app.stores.sqlite import jobs

BATCH = 1000  # rows of one look, when all are read

SCAN = "SELECT key, value, expires - ? FROM entries WHERE key > ? AND expires > ? ORDER BY key LIMIT ?"
SCAN_JOBS = "SELECT id, payload, due - ? FROM jobs WHERE id > ? ORDER BY id LIMIT ?"
SCAN_COUNTERS = "SELECT key, count, expires - ? FROM counters WHERE key > ? AND expires > ? ORDER BY key LIMIT ?"
LOAD = "INSERT OR REPLACE INTO entries (key, value, expires) VALUES (?, ?, ?)"
LOAD_COUNTERS = "INSERT OR REPLACE INTO counters (key, count, expires) VALUES (?, ?, ?)"
LOAD_JOBS = "INSERT OR REPLACE INTO jobs (id, payload, due, put, lease) VALUES (?, ?, ?, ?, '')"
CLEAR = "DELETE FROM entries WHERE rowid IN (SELECT rowid FROM entries LIMIT ?)"
FROZEN = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'entries' AND name GLOB 'frozen_*'"
VERBS = ("INSERT", "UPDATE", "DELETE")
#: A trigger for each kind of change, so that a store which is not frozen looks for nothing. Its text names the copy.
FREEZE = (
    "CREATE TRIGGER frozen_{verb}_{how} BEFORE {verb} ON entries BEGIN SELECT raise(ABORT, '{how}'); SELECT '{by}'; END"
)
FREEZE_JOBS = "CREATE TRIGGER jobs_frozen_{verb}_{how} BEFORE {verb} ON jobs BEGIN SELECT raise(ABORT, '{how}'); END"
THAW = tuple(
    f"DROP TRIGGER IF EXISTS {table}frozen_{verb}_{how}" for how in Freeze for verb in VERBS for table in ("", "jobs_")
)
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
    jobs.create(db)
    for statement in THAW:
        db.execute(statement)
    for statement in _triggers(new) if new else ():
        db.execute(statement)


def _triggers(hold: Hold) -> list[str]:
    """CREATE takes no parameters; the name of a copy has letters, digits, `-` and `.` only."""
    if not re.fullmatch("[A-Za-z0-9.-]*", hold.by):
        raise ValueError("the name of a copy has letters, digits, - and . only")
    return [each.format(verb=verb, how=hold.how, by=hold.by) for verb in VERBS for each in (FREEZE, FREEZE_JOBS)]


def load(
    rows: list[tuple[str, bytes, float]], waiting: list[tuple[str, bytes, float, float]], by: str | None,
    db: sqlite3.Connection,
) -> None:
    """Put entries and jobs there, frozen or not: thawed for this one transaction, in which no other can use it."""
    held = _held(by, db)
    _put(None, db)
    db.executemany(LOAD, rows)
    db.executemany(LOAD_JOBS, waiting)
    _put(held, db)


def clear(by: str | None, db: sqlite3.Connection) -> int:
    """Delete some entries, and all jobs, frozen or not; return how many entries, 0 when all are gone."""
    held = _held(by, db)
    _put(None, db)
    db.execute("DELETE FROM jobs")
    gone = db.execute(CLEAR, (10 * BATCH,)).rowcount
    _put(held, db)
    return gone


def _held(by: str | None, db: sqlite3.Connection) -> Hold | None:
    held = hold(db)
    check_holder(held, by)
    return held
