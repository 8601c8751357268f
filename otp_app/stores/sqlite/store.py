"""The store in SQLite files: durable, for all processes of one machine.

Values lie in the file that the URL names. Every change waits for the disk, but all changes that wait are committed
together. Counters lie in a second file beside it that does not wait for the disk: they survive the process, not a
power cut.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import takewhile
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from otp_app.core.errors import StoreUnavailable
from otp_app.core.jobs import NewJob
from otp_app.core.moving import ANY, Freeze, Hold, Item, Movable, Searchable, Waiting
from otp_app.core.store import BeginsSwaps, Store, Swap, SwapsLater, SwapsWithJobs
from otp_app.stores.sqlite import jobs, moving
from otp_app.stores.sqlite.file import Connection, File, touch
from otp_app.stores.sqlite.writer import Writer

LOCK_TIMEOUT = 2.0  # seconds SQLite waits for the lock of another process
WRITE_TIMEOUT = 2.5  # seconds a change waits for the writer
SYNCHRONOUS = ("FULL", "NORMAL", "OFF")

# Entries have a rowid because ledgers are long: without it a read among a million of 1.5 KB took three times as long.
ENTRIES = """
    CREATE TABLE entries (key TEXT PRIMARY KEY, value BLOB NOT NULL, expires REAL NOT NULL);
    CREATE INDEX entries_by_end ON entries (expires);
"""
GET = "SELECT value FROM entries WHERE key = ? AND expires > ?"
INSERT = """
    INSERT INTO entries (key, value, expires) VALUES (?, ?, ?)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires WHERE entries.expires <= ?
"""
UPDATE = "UPDATE entries SET value = ?, expires = ? WHERE key = ? AND value = ? AND expires > ?"
DELETE = "DELETE FROM entries WHERE key = ? AND value = ? AND expires > ?"
SWEEP = "DELETE FROM entries WHERE rowid IN (SELECT rowid FROM entries WHERE expires <= ? ORDER BY expires LIMIT ?)"

COUNTERS = """
    CREATE TABLE counters (key TEXT PRIMARY KEY, count INTEGER NOT NULL, expires REAL NOT NULL) WITHOUT ROWID;
    CREATE INDEX counters_by_end ON counters (expires);
"""
COUNT = "SELECT count FROM counters WHERE key = :key AND expires > :now"
ADD = """
    INSERT INTO counters (key, count, expires) VALUES (:key, :amount, :end)
    ON CONFLICT (key) DO UPDATE SET
        count = iif(expires > :now, count, 0) + excluded.count,
        expires = iif(expires > :now, expires, excluded.expires)
    RETURNING count
"""
SWEEP_COUNTERS = """
    DELETE FROM counters WHERE key IN (SELECT key FROM counters WHERE expires <= ? ORDER BY expires LIMIT ?)
"""


class SqliteStore(Store, BeginsSwaps, SwapsLater, SwapsWithJobs, Movable, Searchable):
    """The store of `sqlite:///relative/path` or `sqlite:////absolute/path`; `?synchronous=NORMAL` or `OFF` relaxes it.

    With FULL, the default, a change that was answered survives a power cut; with the others only the end of the
    process. Files have mode 0600. They are made by the first use; one that vanishes later is a fault, not an empty
    store, since its attempts would begin anew. A file that is put back, unlocked or given room is used again at once.
    """

    shared_by = "machine"

    def __init__(
        self,
        url: str,
        clock: Callable[[], float] = time.time,
        *,
        lock_timeout: float = LOCK_TIMEOUT,
        write_timeout: float = WRITE_TIMEOUT,
    ) -> None:
        path, synchronous = _parse(url)
        entries = File(path, ENTRIES + jobs.TABLE, synchronous, lock_timeout)
        counters = File(path.with_name(f"{path.stem}-counters{path.suffix}"), COUNTERS, "OFF", lock_timeout)
        self._clock = clock
        self._writer = Writer(entries, write_timeout)
        self._reader = Connection(entries)
        self._counters = Connection(counters)
        self.jobs = jobs.SqliteJobs(self._writer, self._reader, clock)

    def get(self, key: str) -> bytes | None:
        """Return the value under a key."""
        look = partial(_look, key, self._clock())
        if self._writer.is_later(key):
            frozen, value = self._writer.do(look)
        else:
            with self._reader as db:
                frozen, value = look(db)
        if frozen and not frozen.holds:
            raise StoreUnavailable(frozen.message)
        return value

    def swap(self, key: str, old: bytes | None, new: bytes | None, ttl: float) -> Swap:
        """Replace `old` by `new`; see core.store.Store."""
        now = self._clock()
        return self._writer.do(partial(_swap, key, old, new, now, now + ttl))

    def begin_swap(self, key: str, old: bytes | None, new: bytes | None, ttl: float) -> Callable[[], Swap]:
        """Begin to replace `old` by `new`; see core.store.BeginsSwaps."""
        now = self._clock()
        return self._writer.begin(partial(_swap, key, old, new, now, now + ttl))

    def swap_later(
        self, key: str, old: bytes | None, new: bytes | None, ttl: float, then: Callable[[Swap | None], None]
    ) -> None:
        """Replace `old` by `new` soon; see core.store.SwapsLater."""
        now = self._clock()
        self._writer.do_later(key, partial(_swap, key, old, new, now, now + ttl), then)

    def swap_with_jobs(
        self, key: str, old: bytes | None, new: bytes | None, ttl: float, new_jobs: Sequence[NewJob]
    ) -> Swap:
        """Replace `old` by `new`, and put jobs; see core.store.SwapsWithJobs."""
        now = self._clock()
        swap = partial(_swap, key, old, new, now, now + ttl)
        return self._writer.do(partial(jobs.swap_and_put, swap, new_jobs, now))

    def add(self, key: str, amount: int, ttl: float) -> int:
        """Add to a counter; see core.store.Store."""
        now = self._clock()
        values = {"key": key, "amount": amount, "now": now, "end": now + ttl}
        self._counters.look()
        with self._counters as db:
            rows = db.execute(ADD if amount else COUNT, values).fetchall()
        return rows[0][0] if rows else 0

    def ping(self) -> None:
        """Return when both files can be written and read."""
        if frozen := self.frozen():
            raise StoreUnavailable(frozen.message)
        self._writer.do(touch)
        self.get("")
        self._counters.look()
        with self._counters as db:
            touch(db)

    def sweep(self, limit: int) -> int:
        """Delete at most `limit` entries and counters whose lifetime has ended; return how many."""
        now = self._clock()
        entries = self._writer.do(lambda db: db.execute(SWEEP, (now, limit)).rowcount)
        with self._counters as db:
            return entries + db.execute(SWEEP_COUNTERS, (now, limit - entries)).rowcount

    def close(self) -> None:
        """Make the waiting changes, end the thread, close the files."""
        self._writer.close()
        self._reader.close()
        self._counters.close()

    # ---- Movable

    def scan(self) -> Iterator[Item]:
        """Yield all entries and counters; see core.moving.Movable."""
        yield from self._rows(self._reader, moving.SCAN)
        yield from self._rows(self._counters, moving.SCAN_COUNTERS)
        yield from self.jobs.scan(moving.SCAN_JOBS, moving.BATCH)

    def entries(self, prefix: str) -> Iterator[Item]:
        """Yield the entries with such keys; see core.moving.Searchable."""
        return takewhile(lambda item: item.key.startswith(prefix), self._rows(self._reader, moving.SCAN, prefix))

    def _rows(self, connection: Connection, statement: str, after: str = "") -> Iterator[Item]:
        """Yield the rows behind a key, in the order of their keys."""
        while True:
            now = self._clock()
            with connection as db:
                rows = db.execute(statement, (now, after, now, moving.BATCH)).fetchall()
            if not rows:
                return
            yield from map(Item._make, rows)
            after = rows[-1][0]

    def load(self, items: Iterable[Item], by: str | None = None) -> None:
        """Store these; see core.moving.Movable."""
        now = self._clock()
        entries: list[tuple[str, bytes, float]] = []
        counters: list[tuple[str, int, float]] = []
        waiting: list[tuple[str, bytes, float, float]] = []
        for key, value, ttl in items:
            if isinstance(value, Waiting):
                waiting.append((key, value.payload, now + ttl, now))
            elif isinstance(value, int):
                counters.append((key, value, now + ttl))
            else:
                entries.append((key, value, now + ttl))
        self._writer.do(partial(moving.load, entries, waiting, by))
        with self._counters as db:
            db.executemany(moving.LOAD_COUNTERS, counters)

    def clear(self, by: str | None = None) -> None:
        """Delete everything, in batches that keep no one waiting long."""
        while self._writer.do(partial(moving.clear, by)):
            pass
        with self._counters as db:
            db.execute("DELETE FROM counters")

    def size(self) -> int:
        """Return how many entries, counters and jobs there are, including ended ones that are not yet swept."""
        with self._reader as db:
            (entries,) = db.execute("SELECT count(*) FROM entries").fetchone()
            (waiting,) = db.execute("SELECT count(*) FROM jobs").fetchone() if jobs.exists(db) else (0,)
        with self._counters as db:
            (counters,) = db.execute("SELECT count(*) FROM counters").fetchone()
        return int(entries + counters + waiting)

    def freeze(self, how: Freeze, by: str = "", was: Hold | None = ANY) -> bool:
        """Make no swap from now on; see core.moving.Movable."""
        return self._writer.do(partial(moving.change, was, Hold(how, by)))

    def thaw(self, was: Hold = ANY) -> bool:
        """Make swaps again; see core.moving.Movable."""
        return self._writer.do(partial(moving.change, was, None))

    def hold(self) -> Hold | None:
        """Return how and by which copy it is frozen, or None."""
        with self._reader as db:
            return moving.hold(db)

    def frozen(self) -> Freeze | None:
        """Return how it is frozen, or None."""
        with self._reader as db:
            return moving.frozen(db)


def _parse(url: str) -> tuple[Path, str]:
    parts = urlsplit(url, allow_fragments=False)
    name = unquote(parts.path).removeprefix("/")
    if parts.netloc or name.endswith("/") or Path(name).name in ("", ".."):
        raise ValueError("write sqlite:///relative/path.db or, with four slashes, sqlite:////absolute/path.db")
    if Path(name).suffix == ".keys":
        raise ValueError("write a name such as sqlite:///var/otp.db: the keys are beside it in otp.keys")
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    options = dict(pairs)
    synchronous = options.pop("synchronous", "FULL")
    if options or len(pairs) > 1 or synchronous not in SYNCHRONOUS:
        raise ValueError(f"sqlite:/// takes one option, synchronous: one of {', '.join(SYNCHRONOUS)}")
    return Path(name).absolute(), synchronous


def _get(db: sqlite3.Connection, key: str, now: float) -> bytes | None:
    rows = db.execute(GET, (key, now)).fetchall()
    return rows[0][0] if rows else None


def _look(key: str, now: float, db: sqlite3.Connection) -> tuple[Freeze | None, bytes | None]:
    return moving.frozen(db), _get(db, key, now)


def _swap(key: str, old: bytes | None, new: bytes | None, now: float, end: float, db: sqlite3.Connection) -> Swap:
    if _changes(key, old, new, now, end, db):
        return Swap(won=True, found=new)
    found = _get(db, key, now)
    was_nothing_to_do = old is None and new is None and found is None  # no row changed, and yet it is won
    return Swap(won=was_nothing_to_do, found=found)


def _changes(key: str, old: bytes | None, new: bytes | None, now: float, end: float, db: sqlite3.Connection) -> bool:
    """Compare and change in one statement, so that only a loser needs a second one."""
    if new is None:
        return db.execute(DELETE, (key, old, now)).rowcount == 1
    if old is None:
        return db.execute(INSERT, (key, new, end, now)).rowcount == 1
    return db.execute(UPDATE, (new, end, key, old, now)).rowcount == 1
