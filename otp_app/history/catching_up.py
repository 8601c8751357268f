"""What a store still has of verifications and notifications that have ended, and who has to read it again.

Each process that writes leaves a mark now and then. Where one stays away it was stopped or killed, perhaps with rows
that it had not written, and with verifications that it alone was watching: somebody reads the whole store then, once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from otp_app.core import notification
from otp_app.core.codes import LEDGER
from otp_app.core.delivery import Channel
from otp_app.core.endings import Ending, of_notification
from otp_app.core.instant import Clock, Instant
from otp_app.core.ledger import Ledger, Verification
from otp_app.core.ledger_json import decode
from otp_app.core.moving import Item, Movable, Searchable
from otp_app.core.notification import NOTIFICATION
from otp_app.core.store import Store
from otp_app.core.upkeep import corrected
from otp_app.history.database import Database, Session
from otp_app.history.schema import MARK

MARK_EVERY = 20.0  # seconds
GONE = 90.0  # seconds after which a process without a mark is gone
LATE = 5.0  # seconds by which the clocks of servers differ
WRITER, READER = "writer:", "reader"

Found = tuple[str, str, Verification] | Ending  # a verification with its key and number; or a notification's ending


def ledger_in(stored: bytes | None, now: Instant) -> Ledger | None:
    """Return the ledger in the bytes of a store, None where there is none that can be read."""
    try:
        return corrected(decode(stored), now) if stored is not None else None
    except ValueError:
        return None


def stored(store: Store, clock: Clock, channels: Sequence[Channel]) -> Iterator[Found | None]:
    """Yield all that a store has, and None after each record. Raises StoreUnavailable."""
    for key, value, _ in _entries(store):
        now = clock()
        if not isinstance(value, bytes):
            continue
        if key.startswith(NOTIFICATION):
            yield _notification(value, now, channels)
        elif ledger := ledger_in(value, now):
            for verification in (*ledger.verifications, *ledger.gone):
                yield key, ledger.phone, verification
        yield None


def _entries(store: Store) -> Iterator[Item]:
    if isinstance(store, Searchable):
        yield from store.entries(LEDGER)
        yield from store.entries(NOTIFICATION)
    elif isinstance(store, Movable):
        yield from (item for item in store.scan() if item.key.startswith((LEDGER, NOTIFICATION)))


def _notification(value: bytes, now: Instant, channels: Sequence[Channel]) -> Ending | None:
    try:
        return of_notification(notification.corrected(notification.decode(value), now), now, channels)
    except ValueError:
        return None


class Marks:
    """The marks of one process in the database. Its methods raise StoreUnavailable."""

    def __init__(self, database: Database, name: str, key: str, wall: float) -> None:
        """`key`: that of its key, which shows a reader whether it can find numbers; `wall`: when this process began."""
        self._database, self._name, self._key = database, f"{WRITER}{name}", key
        self._marked = 0.0
        self._wanted: float | None = wall  # a reading that began later will do; None: none is wanted

    def has_to_read(self, wall: float) -> bool:
        """Leave a mark where that is due; return whether this process has to read the store, from now on."""
        if abs(wall - self._marked) < MARK_EVERY and self._wanted is None:
            return False
        with self._database.writing() as session:
            session.change(MARK, (self._name, wall))
            session.change(MARK, (self._key, wall))
            wanted = wall if self._take_over(session, wall) else self._wanted
            is_wanted = wanted is not None and not self._is_read_since(session, wanted, wall)
            if is_wanted:
                session.change(MARK, (READER, wall))
        self._marked, self._wanted = wall, None  # once that is stored: on a full disk a commit fails
        return is_wanted

    def want(self, wall: float) -> None:
        """Have the store read again, by whoever comes to it first after a moment."""
        self._wanted = wall

    def _take_over(self, session: Session, wall: float) -> bool:
        """Return whether another process is gone, whose work is ours now."""
        gone = "DELETE FROM otp_history_marks WHERE name LIKE ? AND name <> ? AND (at < ? OR at > ?)"
        return session.change(gone, (f"{WRITER}%", self._name, wall - GONE, wall + GONE)) > 0

    def _is_read_since(self, session: Session, then: float, now: float) -> bool:
        """Whether somebody has begun to read since then. A mark from the future is of a clock that was ahead."""
        rows = session.rows("SELECT at FROM otp_history_marks WHERE name = ?", (READER,))
        return any(then < at <= now + LATE for (at,) in rows)
