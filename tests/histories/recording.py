"""Servers over one store that keep a history, each turn of their threads when a test says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from otp_app.core.delivery import ErrorClass, Explanation
from otp_app.core.endings import of_notification, of_verification
from otp_app.core.errors import StoreUnavailable
from otp_app.core.ledger import Verification
from otp_app.core.ledger_json import decode
from otp_app.core.notification import Notification
from otp_app.core.notification import decode as decode_notification
from otp_app.core.policy import DAY
from otp_app.core.receipts import Receipt, Status
from otp_app.core.store import Swap
from otp_app.history import totals
from otp_app.history.database import Database, Session
from otp_app.history.recorder import READING, Recorder
from otp_app.history.rows import Numbers, Row, row_of
from otp_app.history.schema import COLUMNS
from otp_app.history.sqlite import SqliteDatabase
from tests.background.webhooks.telling import FoundStore
from tests.core.fakes import INDEX_KEY, PHONE, SENT, FakeChannel, LaterStore
from tests.core.notifying import Notifying

NUMBERS = Numbers(INDEX_KEY)


class FoundLaterStore(LaterStore, FoundStore):
    """One that can be searched, and whose later swaps are lost with the process."""


class Explaining(FakeChannel):
    """A channel that knows what went wrong."""

    def explain(self, provider_code: int) -> Explanation:
        return Explanation(ErrorClass.RECIPIENT, "", elsewhere=True)


class Door(Database):
    """A database that may be away; `burn` is called before and after each transaction."""

    def __init__(self, database: Database) -> None:
        self.inner, self.is_away = database, False
        self.burn: Callable[[], None] = lambda: None

    @contextmanager
    def writing(self) -> Iterator[Session]:
        if self.is_away:
            raise StoreUnavailable("The history is not available (away)")
        self.burn()
        with self.inner.writing() as session:
            yield session
            self.burn()
        self.burn()

    def reading(self) -> Any:
        return self.inner.reading()

    def close(self) -> None:
        self.inner.close()


class Recording:
    """A world with a history. What was stored of each id is known from the swaps themselves."""

    def __init__(self, database: Database, **world: Any) -> None:
        self.notifying = Notifying(**{"stores": FoundStore} | world)
        self.world = self.notifying.world
        self.clock, self.database = self.world.clock, Door(database)
        self.stored: dict[str, tuple[str, Verification | Notification]] = {}
        self._watch_swaps()
        self.recorder = self.start()

    def start(self) -> Recorder:
        """Return the recorder of another server, which is the one that sees changes from now on."""
        self.recorder = Recorder(
            self.world.store, self.database, NUMBERS, channels=self.world.channels, clock=self.clock,
            retention=90 * DAY,
        )  # fmt: skip
        self.world.recorder = self.recorder
        self.recorder.turn()
        return self.recorder

    def turns(self, recorder: Recorder | None = None) -> None:
        """Let a recorder do all that there is to do at this moment."""
        while (recorder or self.recorder).turn() == READING:
            pass

    def wait(self, seconds: float) -> None:
        """Let time pass, with a turn now and then."""
        self.turns()
        for _ in range(20):
            self.clock.forward(seconds / 20)
            self.turns()

    def report(self, status: str, code: int = 0, phone: str = PHONE) -> None:
        """The provider reports something of the newest message."""
        verification = self.world.ledger(phone).verifications[-1]
        receipt = Receipt(verification.id, verification.sends[-1].id, SENT.provider_id, Status(status), code)
        self.world.service().receive(receipt)

    def rows(self) -> dict[str, Row]:
        """All rows of the history, by their id."""
        with self.database.inner.writing() as session:
            found = session.rows(f"SELECT {', '.join(COLUMNS)} FROM otp_history")
        return {row[0]: Row._make(row) for row in found}

    def expected(self) -> dict[str, Row]:
        """The rows that follow from what was stored, of all that has ended by now."""
        found = {}
        for id_, (phone, record) in self.stored.items():
            if isinstance(record, Notification):
                ending = of_notification(record, self.clock(), self.world.channels)
            else:
                ending = of_verification(phone, record, self.clock(), self.world.channels)
            if ending:
                found[id_] = row_of(ending, NUMBERS)
        return found

    def totals(self) -> set[tuple[object, ...]]:
        """The totals that are not 0."""
        with self.database.inner.writing() as session:
            return {row for row in session.rows("SELECT * FROM otp_history_totals") if any(row[4:])}

    def check(self) -> None:
        """Assert that there is a right row of each that has ended, and that the totals are their sums."""
        rows, expected = self.rows(), self.expected()
        wrong = {id_: (rows.get(id_), expected.get(id_)) for id_ in {*rows, *expected}}
        wrong = {id_: both for id_, both in wrong.items() if both[0] != both[1]}
        assert not wrong, f"in the history, and as it should be: {wrong}"
        assert self.totals() == {tuple(change) for change in totals.changes(rows.values(), [])}

    def _watch_swaps(self) -> None:
        swap = self.world.store._swap

        def watched(key: str, old: bytes | None, new: bytes | None, ttl: float) -> Swap:
            done = swap(key, old, new, ttl)
            if done.won and new and key.startswith("n:"):
                ledger = decode(new)
                self.stored |= {v.id: (ledger.phone, v) for v in (*ledger.verifications, *ledger.gone)}
            if done.won and new and key.startswith("m:"):
                record = decode_notification(new)
                self.stored[record.id] = record.phone, record
            return done

        self.world.store._swap = watched  # type: ignore[method-assign]


def in_file(folder: Path) -> SqliteDatabase:
    """A history in a file of this folder."""
    return SqliteDatabase(f"sqlite:////{str(folder / 'history.db').lstrip('/')}")
