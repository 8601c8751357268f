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
from otp_app.core.ledger_json import readable
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
    ledger = readable(stored) if stored is not None else None
    return corrected(ledger, now) if ledger else None


class Reading:
    """What one process does so that the store is read: its marks, whether a reading is wanted, and the one under way.

    Its methods raise StoreUnavailable.
    """

    def __init__(
        self, store: Store, database: Database, *, name: str, key: str, channels: Sequence[Channel], clock: Clock
    ) -> None:
        """`name`: of this process; `key`: the mark of its key, which shows a reader whether it can find numbers."""
        self._store, self._database, self._channels, self._clock = store, database, channels, clock
        self._name, self._key = f"{WRITER}{name}", key
        self._marked = 0.0
        self._wanted: float | None = clock().wall  # from when on; one that began later will do. None: none is wanted
        self._under_way: Iterator[Found | None] | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether `read_on` has something to read."""
        return self._under_way is not None

    def want(self, wall: float) -> None:
        """Have the store read from a moment on, or from an earlier one that was wanted before."""
        if self._wanted is None:
            self._wanted = wall

    def begin(self, wall: float) -> None:
        """Leave a mark where that is due, and begin to read where no other process does what is wanted."""
        since = self._wanted if self._wanted is not None and self._wanted <= wall and not self.is_under_way else None
        is_due = since is not None
        if not is_due and abs(wall - self._marked) < MARK_EVERY:
            return
        with self._database.writing() as session:
            session.change(MARK, (self._name, wall))
            session.change(MARK, (self._key, wall))
            if self._take_over(session, wall):
                since = wall
            is_ours = since is not None and not _is_read_since(session, since, wall)
            if is_ours:
                session.change(MARK, (READER, wall))
        self._marked = wall  # this and the rest once it is stored: on a full disk a commit fails
        if is_due:
            self._wanted = None
        if is_ours:
            self._under_way = _stored(self._store, self._clock, self._channels)

    def read_on(self, most: int) -> Iterator[Found]:
        """Yield what comes next in the store: of so many records and verifications at most."""
        for number, found in enumerate(self._under_way or (), start=1):
            if found:
                yield found
            if number == most:
                return
        self._under_way = None

    def give_up(self, wall: float) -> None:
        """Forget a reading that a fault has ended, and want another one from a moment on."""
        if self._under_way:
            self._under_way, self._wanted = None, wall

    def _take_over(self, session: Session, wall: float) -> bool:
        """Return whether another process is gone, whose work is ours now."""
        gone = "DELETE FROM otp_history_marks WHERE name LIKE ? AND name <> ? AND (at < ? OR at > ?)"
        return session.change(gone, (f"{WRITER}%", self._name, wall - GONE, wall + GONE)) > 0


def _is_read_since(session: Session, then: float, now: float) -> bool:
    """Whether somebody has begun to read since then. A mark from the future is of a clock that was ahead."""
    rows = session.rows("SELECT at FROM otp_history_marks WHERE name = ?", (READER,))
    return any(then < at <= now + LATE for (at,) in rows)


def _stored(store: Store, clock: Clock, channels: Sequence[Channel]) -> Iterator[Found | None]:
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
