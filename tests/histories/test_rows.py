"""Rows as they are read."""

from __future__ import annotations

import random

from otp_app.history.database import Database
from otp_app.history.reading import Reader
from otp_app.history.rows import messages_in
from otp_app.history.writing import write
from tests.core.fakes import PHONE
from tests.histories.past import ending
from tests.histories.recording import NUMBERS


def test_messages_of_a_newer_version_are_read_as_far_as_they_are_known() -> None:
    (message,) = messages_in('[["SM1", "sms", 1.0, "delivered", 0, 2.5, "en", "what another version adds"]]')
    assert (message.id, message.delivered_after, message.locale) == ("SM1", 2.5, "en")


def test_of_a_number_with_many_rows_as_many_are_read_as_are_wanted(database: Database) -> None:
    chance = random.Random(3)
    rows = [ending(chance, 1_800_000_000.0 + number)._replace(phone=PHONE) for number in range(9)]
    write(database, rows, NUMBERS)
    reader = Reader(database, NUMBERS)
    assert [row.id for row in reader.of_number(PHONE, 4)] == [row.id for row in reversed(rows[5:])]
    assert len(reader.of_number(PHONE)) == 9
