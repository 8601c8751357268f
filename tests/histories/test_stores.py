"""What each kind of store has for whoever begins; and recorders on one database count nothing twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from otp_app.core.policy import DAY
from otp_app.core.service import VerificationService
from otp_app.history import totals
from otp_app.history.database import Database, open_database
from otp_app.history.recorder import READING, Recorder
from otp_app.history.rows import Row
from otp_app.history.schema import COLUMNS
from otp_app.stores import open_store
from tests.core.fakes import PHONE, World
from tests.core.notifying import Notifying
from tests.histories.recording import NUMBERS, in_file
from tests.running import wait_until

KINDS = ["memory", "sqlite", "redis", "postgres"]


def written(database: Database) -> dict[str, Row]:
    with database.writing() as session:
        rows = [Row._make(row) for row in session.rows(f"SELECT {', '.join(COLUMNS)} FROM otp_history")]
        sums = {row for row in session.rows("SELECT * FROM otp_history_totals") if any(row[4:])}
    assert sums == {tuple(change) for change in totals.changes(rows, [])}
    return {row.id: row for row in rows}


def begun(world: World, database: Database) -> Recorder:
    channels, clock = world.channels, world.clock
    return Recorder(world.store, database, NUMBERS, channels=channels, clock=clock, retention=DAY)


class Everyone:
    """Tells several recorders, or nobody."""

    def __init__(self, *recorders: Recorder) -> None:
        self._recorders = recorders

    def takes(self, *change: Any) -> bool:
        return any(recorder.takes(*change) for recorder in self._recorders)

    def changed(self, *change: Any) -> None:
        for recorder in self._recorders:
            recorder.changed(*change)

    def doubted(self) -> None:
        for recorder in self._recorders:
            recorder.doubted()


@pytest.fixture(params=KINDS)
def notifying(request: pytest.FixtureRequest, new_store: Callable[[str], str], waits_long: None) -> Iterator[Notifying]:
    """A server on a store, whose history is lost with its memory."""
    notifying = Notifying()
    with closing(open_store(new_store(request.param))) as store:
        world: Any = notifying.world
        world.store, world.recorder = store, Everyone()
        yield notifying


def test_what_a_killed_process_had_not_written(notifying: Notifying, tmp_path: Path) -> None:
    world = notifying.world
    approved = world.send().verification_id
    service: VerificationService = world.service()
    assert service.check(world.code(), phone_number=PHONE).approved
    world.clock.forward(60.0)
    pending = world.send(purpose="pay").verification_id
    notification = notifying.send()
    notifying.wait()
    notifying.report(notification, "delivered")
    with closing(in_file(tmp_path)) as database:
        recorder = begun(world, database)
        while recorder.turn() == READING:
            pass
        assert {id_: row.outcome for id_, row in written(database).items()} == {
            approved: "approved", notification: "delivered"
        }  # fmt: skip
        world.clock.forward(302.0)
        recorder.turn()
        recorder.turn()
        assert written(database)[pending].outcome == "expired"


def test_recorders_that_write_the_same_count_it_once(database: Database) -> None:
    """Each knows all; of several that write at the same moment one waits for the other."""
    world = World()
    recorders = [begun(world, database) for _ in range(4)]

    world.recorder = Everyone(*recorders)
    for number in range(30):
        phone = f"+4474001234{number:02d}"
        world.send(phone)
        world.service().check(world.code(), phone_number=phone)
    threads = [threading.Thread(target=recorder.turn) for recorder in recorders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(written(database)) == 30


def test_of_the_writers_of_a_postgresql_one_waits_for_the_other(postgres_server: Any) -> None:
    """Each changes the totals by what it has read before, so two at once would count a row twice."""
    url, entered = postgres_server.new_url(), threading.Event()
    with closing(open_database(url)) as first, closing(open_database(url)) as second:

        def write() -> None:
            with second.writing():
                entered.set()

        with second.writing():
            pass  # which connects, and makes the tables
        waiting = threading.Thread(target=write)
        with first.writing() as session:
            waiting.start()
            locks = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            wait_until(lambda: entered.is_set() or session.rows(locks), "the second writer")
            assert not entered.is_set()
        waiting.join()
    assert entered.is_set()
