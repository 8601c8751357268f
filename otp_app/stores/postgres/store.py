"""The store in PostgreSQL: for all servers of a network, durable.

One table, one statement for each method; lives end by the server's clock. A swap that lost reads in a second statement,
because a statement sees the table as it was when it began.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import takewhile
from typing import Any

from psycopg import sql

from otp_app.connections.postgres import Connection, Statement
from otp_app.core.errors import StoreUnavailable
from otp_app.core.moving import ANY, Freeze, Hold, Item, Movable, Searchable, Waiting
from otp_app.core.store import ServerChecks, Store, Swap
from otp_app.stores.clock_skew import clocks_differ
from otp_app.stores.holders import check_holder
from otp_app.stores.postgres.jobs import PostgresJobs
from otp_app.stores.postgres.pool import Pool

VALUE, COUNTER = "v:", "c:"
BATCH = 1000  # rows of one look, when all are read

TEXT, AS_IT_IS = 0, 1
GET = Statement(b"otp_get", b"""
    SELECT
        (SELECT value FROM otp_entries WHERE key = $1 AND expires > now()),
        (SELECT encode(tgargs, 'escape') FROM pg_trigger
         WHERE tgrelid = 'otp_entries'::regclass AND tgname = 'otp_frozen')
""", (TEXT,))
INSERT = Statement(b"otp_insert", b"""
    INSERT INTO otp_entries (key, value, expires) VALUES ($1, $2, now() + $3::float8 * interval '1 second')
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires
    WHERE otp_entries.expires <= now()
""", (TEXT, AS_IT_IS, TEXT))
UPDATE = Statement(b"otp_update", b"""
    UPDATE otp_entries SET value = $2, expires = now() + $3::float8 * interval '1 second'
    WHERE key = $1 AND value = $4 AND expires > now()
""", (TEXT, AS_IT_IS, TEXT, AS_IT_IS))
DELETE = Statement(
    b"otp_delete", b"DELETE FROM otp_entries WHERE key = $1 AND value = $2 AND expires > now()", (TEXT, AS_IT_IS)
)
COUNT = "SELECT count FROM otp_entries WHERE key = %(key)s AND expires > now()"
ADD = """
    INSERT INTO otp_entries AS e (key, count, expires)
    VALUES (%(key)s, %(amount)s, now() + %(ttl)s * interval '1 second')
    ON CONFLICT (key) DO UPDATE SET
        count = excluded.count + CASE WHEN e.expires > now() THEN e.count ELSE 0 END,
        expires = CASE WHEN e.expires > now() THEN e.expires ELSE excluded.expires END
    RETURNING count
"""
SWEEP = """
    DELETE FROM otp_entries WHERE key IN (
        SELECT key FROM otp_entries WHERE expires <= now() ORDER BY expires LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
"""
SCAN = """
    SELECT key, value, count, extract(epoch FROM expires - now())::float8 FROM otp_entries
    WHERE key > %(after)s AND expires > now() ORDER BY key LIMIT %(limit)s
"""
LOAD = """
    INSERT INTO otp_entries (key, value, count, expires)
    VALUES (%(key)s, %(value)s, %(count)s, now() + %(ttl)s * interval '1 second')
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, count = excluded.count, expires = excluded.expires
"""
TOUCH = "UPDATE otp_schema SET since = since WHERE version = 1"
SIZE = "SELECT (SELECT count(*) FROM otp_entries) + (SELECT count(*) FROM otp_jobs)"
FREEZE = sql.SQL("""
    CREATE TRIGGER otp_frozen BEFORE INSERT OR UPDATE OR DELETE ON otp_entries
    FOR EACH ROW EXECUTE FUNCTION otp_refuse({how}, {by})
""")
FREEZE_JOBS = sql.SQL("""
    CREATE TRIGGER otp_frozen BEFORE INSERT OR UPDATE OR DELETE ON otp_jobs
    FOR EACH ROW EXECUTE FUNCTION otp_refuse_job({how})
""")
LOCK_ALL = "LOCK TABLE otp_entries, otp_jobs IN ACCESS EXCLUSIVE MODE"
LOCK_ROWS = "LOCK TABLE otp_entries, otp_jobs IN ROW EXCLUSIVE MODE"  # so that no freeze changes before the end
SET_LOCK_TIMEOUT = "SET LOCAL lock_timeout = '2s'"  # while one waits for the whole table, all others wait behind it
THAW = "DROP TRIGGER IF EXISTS otp_frozen ON otp_entries"
THAW_JOBS = "DROP TRIGGER IF EXISTS otp_frozen ON otp_jobs"


def _row(item: Item) -> dict[str, Any]:
    key, value, ttl = item
    if isinstance(value, int):
        return {"key": COUNTER + key, "value": None, "count": value, "ttl": ttl}
    return {"key": VALUE + key, "value": value, "count": None, "ttl": ttl}


class PostgresStore(Store, Movable, Searchable, ServerChecks):
    """The store of `postgresql://user:password@host:port/database`, with libpq's options and `pool`, the most
    connections that each process opens (10).

    The table is made on first use. A change that was answered is on the server's disk.
    """  # fmt: skip

    shared_by = "network"

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock  # only compared: lives end by the server's clock, which all that share it have in common
        self._pool = Pool(url)
        self.jobs = PostgresJobs(self._pool)

    def get(self, key: str) -> bytes | None:
        """Return the value under a key."""
        value, held = self._look(VALUE + key)
        if held and not held.how.holds:
            raise StoreUnavailable(held.how.message)
        return value

    def _look(self, key: str) -> tuple[bytes | None, Hold | None]:
        with self._pool.connection() as db:
            return _read(db, key)

    def swap(self, key: str, old: bytes | None, new: bytes | None, ttl: float) -> Swap:
        """Replace `old` by `new`; see core.store.Store."""
        if self._changes(key, old, new, ttl):
            return Swap(won=True, found=new)
        found = self.get(key)
        was_nothing_to_do = old is None and new is None and found is None  # no row changed, and yet it is won
        return Swap(won=was_nothing_to_do, found=found)

    def _changes(self, key: str, old: bytes | None, new: bytes | None, ttl: float) -> bool:
        """Compare and change in one statement."""
        if old is None and new is None:
            return False
        name, seconds = (VALUE + key).encode(), repr(float(ttl)).encode()
        with self._pool.connection() as db:
            if new is None:
                done = db.run(DELETE, name, old)
            elif old is None:
                done = db.run(INSERT, name, new, seconds)
            else:
                done = db.run(UPDATE, name, new, seconds, old)
        return done.command_tuples == 1

    def add(self, key: str, amount: int, ttl: float) -> int:
        """Add to a counter; see core.store.Store."""
        return int(self._one(ADD if amount else COUNT, key=COUNTER + key, amount=amount, ttl=ttl) or 0)

    def ping(self) -> None:
        """Return when the server takes a write."""
        _, held = self._look("")
        if held:
            raise StoreUnavailable(held.how.message)
        with self._pool.connection() as db:
            db.execute(TOUCH)

    def sweep(self, limit: int) -> int:
        """Delete at most `limit` entries and counters whose lifetime has ended; return how many."""
        with self._pool.connection() as db:
            return db.execute(SWEEP, {"limit": limit}).rowcount

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def _one(self, statement: str, **values: Any) -> Any:
        with self._pool.connection() as db:
            rows = db.execute(statement, values).fetchall()
        return rows[0][0] if rows else None

    # ---- ServerChecks

    def faults(self) -> list[str]:
        """Return a line where the server does not write changes to its disk."""
        if self._one("SELECT current_setting('fsync')") == "on":
            return []
        return ["PostgreSQL runs with fsync off, so a power cut destroys all records: set it to on"]

    def advice(self) -> list[str]:
        """Return a line where the clocks differ."""
        return clocks_differ(self._clock() - self._one("SELECT extract(epoch FROM clock_timestamp())::float8"))

    # ---- Movable

    def scan(self) -> Iterator[Item]:
        """Yield all entries and counters; see core.moving.Movable."""
        for key, value, count, ttl in self._rows():
            yield Item(key[len(VALUE) :], count if value is None else value, ttl)
        yield from self.jobs.scan()

    def entries(self, prefix: str) -> Iterator[Item]:
        """Yield the entries with such keys; see core.moving.Searchable."""
        for key, value, _, ttl in takewhile(lambda row: row[0].startswith(VALUE + prefix), self._rows(VALUE + prefix)):
            yield Item(key[len(VALUE) :], value, ttl)

    def _rows(self, after: str = "") -> Iterator[tuple[Any, ...]]:
        """Yield the rows behind a key, in the order of their keys."""
        while True:
            with self._pool.transaction() as db:
                rows = db.execute(SCAN, {"after": after, "limit": BATCH}).fetchall()
            if not rows:
                return
            yield from rows
            after = rows[-1][0]

    def load(self, items: Iterable[Item], by: str | None = None) -> None:
        """Store these; see core.moving.Movable."""
        with self._pool.transaction() as db, db.cursor() as cursor:
            db.execute(LOCK_ROWS)
            check_holder(_read(db, "")[1], by)
            cursor.execute("SELECT set_config('otp.filling', 'yes', true)")
            rows = list(items)
            cursor.executemany(LOAD, [_row(item) for item in rows if not isinstance(item.value, Waiting)])
            self.jobs.load(cursor, rows)

    def clear(self, by: str | None = None) -> None:
        """Delete everything."""
        with self._pool.transaction() as db:
            db.execute(LOCK_ALL)
            check_holder(_read(db, "")[1], by)
            db.execute("TRUNCATE otp_entries, otp_jobs")

    def size(self) -> int:
        """Return how many entries and counters there are, including ended ones that are not yet swept."""
        with self._pool.transaction() as db:
            return int(db.execute(SIZE).fetchall()[0][0])

    def freeze(self, how: Freeze, by: str = "", was: Hold | None = ANY) -> bool:
        """Make no swap from now on; see core.moving.Movable."""
        return self._change(was, Hold(how, by))

    def thaw(self, was: Hold = ANY) -> bool:
        """Make swaps again; see core.moving.Movable."""
        return self._change(was, None)

    def _change(self, was: Hold | None, new: Hold | None) -> bool:
        with self._pool.transaction() as db:
            db.execute(SET_LOCK_TIMEOUT)
            db.execute(LOCK_ALL)
            if was != ANY and _read(db, "")[1] != was:
                return False
            db.execute(THAW)
            db.execute(THAW_JOBS)
            if new:
                how, by = sql.Literal(str(new.how)), sql.Literal(new.by)
                entries, jobs = FREEZE.format(how=how, by=by), FREEZE_JOBS.format(how=how)
                db.execute(entries)
                db.execute(jobs)
        return True

    def frozen(self) -> Freeze | None:
        """Return how it is frozen, or None."""
        held = self.hold()
        return held.how if held else None

    def hold(self) -> Hold | None:
        """Return how and by which copy it is frozen, or None."""
        try:
            _, held = self._look("")
        except StoreUnavailable:  # no caller of the server asks this, so there is time
            self._pool.explain()
            _, held = self._look("")  # by now the pool has passed hosts of its list that do not answer
        return held


def _read(db: Connection, key: str) -> tuple[bytes | None, Hold | None]:
    """Return the value under a key, and how the store is frozen."""
    found = db.run(GET, key.encode())
    how, *more = (found.get_value(0, 1) or b"").decode().split(r"\000")  # each argument ends with a zero byte
    return found.get_value(0, 0), Hold(Freeze(how), more[0]) if how else None
