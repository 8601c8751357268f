"""What went wrong in a time is counted by what it was, and the newest is the example."""

from __future__ import annotations

import random
import re
from contextlib import closing
from pathlib import Path

import pytest

from otp_app.core.endings import Kind
from otp_app.history import faults
from otp_app.history.database import Database
from otp_app.history.faults import faults_since
from otp_app.history.writing import write
from tests.histories.past import DISABLED, NO_WHATSAPP, PAUSED, ending, notification, rescued
from tests.histories.recording import NUMBERS, in_file

BEGUN = 1_800_000_000.0


def test_errors_are_counted_apart(database: Database) -> None:
    """By class, number and kind, and of notifications by template; what arrived all the same counts too."""
    chance = random.Random(5)
    old = rescued(chance, BEGUN - 1, DISABLED, "template")
    template = [rescued(chance, BEGUN + at, DISABLED, "template") for at in (0.0, 5.0, 3.0)]
    other = rescued(chance, BEGUN + 9, NO_WHATSAPP, "recipient")
    invoices = [notification(chance, BEGUN + at, fails=True) for at in (1.0, 2.0)]
    reminder = notification(chance, BEGUN, fails=True)._replace(subject="reminder")
    write(database, [old, *template, other, *invoices, reminder, ending(chance, BEGUN)], NUMBERS)
    found, notified = (faults_since(database, kind, BEGUN, 10) for kind in Kind)
    assert [(fault.kind, fault.error, fault.error_code, fault.template, fault.times) for fault in found] == [
        ("verification", "template", DISABLED, "", 3), ("verification", "recipient", NO_WHATSAPP, "", 1),
    ]  # fmt: skip
    assert [(fault.kind, fault.error, fault.error_code, fault.template, fault.times) for fault in notified] == [
        ("notification", "template", PAUSED, "invoice", 2), ("notification", "template", PAUSED, "reminder", 1),
    ]  # fmt: skip
    assert (found[0].first, found[0].last, found[0].example) == (BEGUN, BEGUN + 5, template[1].id)
    assert "whatsapp" in found[0].messages


def test_only_the_most_are_returned(database: Database) -> None:
    chance = random.Random(6)
    faults = [rescued(chance, BEGUN, code, "unknown") for code in range(1, 9) for _ in range(code)]
    others = [notification(chance, BEGUN, fails=True) for _ in range(20)]
    write(database, [*others, *faults], NUMBERS)
    assert [fault.error_code for fault in faults_since(database, Kind.VERIFICATION, 0.0, 3)] == [8, 7, 6]


def test_a_history_that_has_not_begun_has_none(database: Database) -> None:
    assert faults_since(database, Kind.VERIFICATION, 0.0, 10) == []


@pytest.mark.parametrize("statement", [faults._GROUPS, faults._EXAMPLE], ids=["all", "an example"])
def test_it_reads_failed_rows_of_the_time_only(tmp_path: Path, statement: str) -> None:
    """Whoever opens the first screen does not wait for a million others."""
    with closing(in_file(tmp_path)) as database, database.writing() as session:
        values = ["verification", 1.0, "verification"] if "GROUP" in statement else [1.0, "verification", "template", 1]
        plan = str(session.rows(f"EXPLAIN QUERY PLAN {statement}", values))
    assert re.search(r"INDEX otp_history_faults \(kind=\? AND begun[>=]", plan), plan
