"""Attempts and their counts are those of a list of all rows, whatever is asked for."""

from __future__ import annotations

import random

import pytest

from otp_app.core.endings import Ending
from otp_app.core.ledger import Status
from otp_app.history import attempts as module
from otp_app.history.attempts import Attempt, Attempts, Filter, Place
from otp_app.history.database import Database
from otp_app.history.rows import row_of
from otp_app.history.writing import write
from tests.histories.listing import a_filter, all_of, counted, fitting, some
from tests.histories.recording import NUMBERS


def test_every_page_and_count(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 7)
    chance = random.Random(1)
    endings = [some(chance) for _ in range(120)]
    write(database, endings, NUMBERS)
    reader, met = Attempts(database, NUMBERS), 0
    everything, ids = all_of(row_of(ending, NUMBERS) for ending in endings), [ending.id for ending in endings]
    for turn in range(60):
        wanted = a_filter(chance, ids)
        expected = [attempt for attempt in everything if fitting(wanted, attempt)]
        size, found = chance.randrange(1, 40), list[Attempt]()
        while page := reader.page(wanted, size, _last(found)):
            found += page
        assert found == expected, (turn, wanted)
        assert reader.page(wanted, 5, skip=3) == expected[3:8]
        wanted = wanted._replace(converted=None)
        assert reader.summary(wanted) == counted(wanted, everything), (turn, wanted)
        met += len(expected)
    assert met > 200


@pytest.mark.parametrize("wanted", [
    Filter(["login"], converted=True), Filter(["login"], channels=("call",)),
    Filter(["login"], prefix="+1", channels=("sms",), converted=True),
    Filter(["login"], country="US", channels=("s", "ms", "whats")),
])  # fmt: skip
def test_of_rows_that_do_not_fit_no_message_is_read(
    database: Database, wanted: Filter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a million rows it would take half a minute, in which others wait."""
    chance, endings = random.Random(3), list[Ending]()
    while len(endings) < 40:
        if (ending := some(chance)).outcome != Status.APPROVED and ending.subject == "login":
            endings.append(ending)
    write(database, endings, NUMBERS)
    monkeypatch.setattr(module, "messages_in", lambda _: pytest.fail("messages are read"))
    assert Attempts(database, NUMBERS).page(wanted, 10) == []


def _last(found: list[Attempt]) -> Place | None:
    return Place(found[-1].row.begun, found[-1].row.id, found[-1].message.id) if found else None


def test_a_page_behind_a_verification_of_another_purpose_has_nothing_of_it(database: Database) -> None:
    """A page token is not signed: a client may write the id of another account's verification into it."""
    chance, endings = random.Random(4), [some(random.Random(seed)) for seed in range(40)]
    write(database, endings, NUMBERS)
    reader, everything = Attempts(database, NUMBERS), all_of(row_of(ending, NUMBERS) for ending in endings)
    for attempt in chance.sample([a for a in everything if a.row.subject == "pay"], 5):
        behind = Place(attempt.row.begun, attempt.row.id, "VL" + "0" * 32)
        assert {a.row.subject for a in reader.page(Filter(["login"]), 100, behind)} <= {"login"}


def test_one_attempt(database: Database) -> None:
    """Of the own purposes only."""
    chance = random.Random(2)
    endings = [some(chance) for _ in range(20)]
    write(database, endings, NUMBERS)
    reader = Attempts(database, NUMBERS)
    for attempt in all_of(row_of(ending, NUMBERS) for ending in endings):
        assert reader.find([attempt.row.subject], attempt.message.id) == attempt
        assert reader.find(["other"], attempt.message.id) is None
    assert reader.find(["login"], "VL" + "0" * 32) is None


def test_before_a_history_has_begun_there_are_none(database: Database) -> None:
    reader = Attempts(database, NUMBERS)
    assert (reader.page(Filter(["login"]), 10), reader.summary(Filter(["login"]))) == ([], (0, 0))
