"""What is counted of each day, and where messages are found, follow the rows: whatever comes, changes and goes."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from otp_app.core.endings import Ending, Message
from otp_app.core.errors import StoreUnavailable
from otp_app.core.policy import DAY
from otp_app.history import migrating
from otp_app.history.attempts import Attempts, Filter
from otp_app.history.database import Database
from otp_app.history.rows import Row
from otp_app.history.schema import COLUMNS
from otp_app.history.writing import MOST_AT_ONCE, erase, forget_old, write
from tests.histories.listing import BEGUN, PHONES, a_filter, all_of, counted, some
from tests.histories.recording import NUMBERS, in_file

DAYS = 6
PURPOSES = ["login", "pay"]


def rows_of(database: Database) -> list[Row]:
    with database.writing() as session:
        return [Row._make(row) for row in session.rows(f"SELECT {', '.join(COLUMNS)} FROM otp_history")]


def derived(database: Database) -> tuple[set[Any], set[Any]]:
    """Return what is counted, and where messages are found."""
    with database.writing() as session:
        counts = set(session.rows("SELECT * FROM otp_history_attempts"))
        return counts, set(session.rows("SELECT * FROM otp_history_later"))


def again(database: Database) -> None:
    """Derive it anew, as from the tables of an older version."""
    with database.writing() as session:
        session.change("DELETE FROM otp_history_marks WHERE name = 'version'")
        migrating.migrate(session, [])


def newer(ending: Ending, chance: random.Random) -> Ending:
    """Return the ending as it is known later: another outcome, a message of which nobody knew, or both."""
    outcome = chance.choice(["approved", "expired", "refused"])
    more = [Message(f"VL{chance.getrandbits(128):032x}", "sms", ending.begun + 500.0, "sent", 0, None, "")]
    messages = (*ending.messages, *chance.choice([[], more]))
    return ending._replace(outcome=outcome, messages=messages, steps=ending.steps + 10)


@pytest.mark.parametrize("seed", range(2))
def test_counts_follow_the_rows(database: Database, seed: int) -> None:
    chance, reader, known = random.Random(seed), Attempts(database, NUMBERS), list[Ending]()
    met = 0
    for turn in range(8):
        known += (new := [some(chance, DAYS) for _ in range(chance.randrange(1, MOST_AT_ONCE // 2))])
        write(database, new, NUMBERS)
        write(database, [newer(ending, chance) for ending in chance.sample(known, min(len(known), 20))], NUMBERS)
        if chance.random() < 0.3:
            erase(database, NUMBERS.name(chance.choice(list(PHONES))), 0.0)
        if chance.random() < 0.3:
            forget_old(database, BEGUN + chance.random() * 2 * DAY, BEGUN)
        rows = rows_of(database)
        everything, ids = all_of(rows), [row.id for row in rows] or ["none"]
        for _ in range(12):
            wanted = a_filter(chance, ids, DAYS)._replace(converted=None)
            assert reader.summary(wanted) == counted(wanted, everything), (turn, wanted)
            met += bool(wanted.after and wanted.before and wanted.before - wanted.after > 2 * DAY)
        found = derived(database)
        again(database)
        assert derived(database) == found, turn
    assert met > 0


def test_an_erased_number_is_neither_counted_nor_found(database: Database) -> None:
    """Nor is anything of it left in the tables that follow the rows."""
    chance, reader = random.Random(5), Attempts(database, NUMBERS)
    write(database, [some(chance, DAYS) for _ in range(60)], NUMBERS)
    attempts = all_of(rows_of(database))
    assert reader.summary(Filter(PURPOSES)).total == len(attempts)
    assert all(reader.find(PURPOSES, attempt.message.id) == attempt for attempt in attempts)
    assert all(derived(database))
    for phone in PHONES:
        erase(database, NUMBERS.name(phone), 0.0)
    assert reader.summary(Filter(PURPOSES)) == (0, 0)
    assert not any(reader.find(PURPOSES, attempt.message.id) for attempt in attempts)
    assert derived(database) == (set(), set())


def as_it_was(database: Database) -> None:
    """Make of the tables those of the version before."""
    with database.writing() as session:
        for statement in (
            "DROP TABLE otp_history_attempts", "DROP TABLE otp_history_later", "DROP INDEX otp_history_message",
            "CREATE INDEX otp_history_again ON otp_history (subject) WHERE sends > 1",
            "DELETE FROM otp_history_marks WHERE name = 'version'",
        ):  # fmt: skip
            session.change(statement)
    database.close()


def test_the_tables_of_an_older_version_are_brought_up_to_date(database: Database) -> None:
    """Until a server has done so, nobody is told a wrong sum."""
    chance, reader = random.Random(6), Attempts(database, NUMBERS)
    write(database, [some(chance, DAYS) for _ in range(60)], NUMBERS)
    before, summary = derived(database), reader.summary(Filter(PURPOSES))
    as_it_was(database)
    for ask in (lambda: reader.summary(Filter(PURPOSES)), lambda: reader.find(PURPOSES, "VL" + "0" * 32)):
        with pytest.raises(StoreUnavailable, match="older version"):
            ask()
    with database.writing():
        pass
    assert (derived(database), reader.summary(Filter(PURPOSES))) == (before, summary)


def test_a_migration_that_fails_changes_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    chance, reader = random.Random(7), Attempts(database, NUMBERS)
    write(database, [some(chance, DAYS) for _ in range(60)], NUMBERS)
    before = derived(database)
    as_it_was(database)

    def full(*_: Any) -> None:
        raise StoreUnavailable("The history is not available (full)")

    with monkeypatch.context() as patch:
        patch.setattr(migrating.later_messages, "note_day", full)
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="full"), database.writing():
                pass
    with pytest.raises(StoreUnavailable, match="older version"):
        reader.summary(Filter(PURPOSES))
    assert len(rows_of(database)) == 60
    assert derived(database) == before


def test_the_tables_of_a_newer_version_are_left_alone(database: Database) -> None:
    """This version would spoil what that one counts."""
    write(database, [some(random.Random(8))], NUMBERS)
    with database.writing() as session:
        session.change("UPDATE otp_history_marks SET at = at + 1 WHERE name = 'version'")
    database.close()
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="newer version"):
            write(database, [some(random.Random(9))], NUMBERS)
    with pytest.raises(StoreUnavailable, match="newer version"):
        Attempts(database, NUMBERS).summary(Filter(PURPOSES))


def test_a_file_that_is_something_else_stays_as_it_is(tmp_path: Path) -> None:
    """Also at the second attempt."""
    with closing(sqlite3.connect(tmp_path / "history.db")) as other:
        other.execute("CREATE TABLE theirs (x)")
    before = (tmp_path / "history.db").read_bytes()
    with closing(in_file(tmp_path)) as database:
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="something else"), database.writing():
                pass
    assert (tmp_path / "history.db").read_bytes() == before
