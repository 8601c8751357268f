"""Attempts and their counts are those of a list of all rows, whatever is asked for."""

from __future__ import annotations

import random
from typing import Any

import pytest

from otp_app.core.endings import Ending, of_verification
from otp_app.core.instant import Instant
from otp_app.core.ledger import Origin, Send, Status, Verification
from otp_app.history import attempts as module
from otp_app.history.attempts import Attempt, Attempts, Filter, Place
from otp_app.history.database import Database
from otp_app.history.rows import messages_in, row_of
from otp_app.history.writing import write
from tests.histories.recording import NUMBERS

BEGUN = 1_800_000_000.0
PHONES = {"+14155552671": "US", "+14155552672": "US", "+447400123456": "GB"}
NOW = Instant(BEGUN + 86_400.0, "", 0.0)


def some(chance: random.Random) -> Ending:
    """Of a day; some begin in the same moment."""
    begun = BEGUN + chance.choice([0.0, 600.0, float(chance.randrange(80_000))])
    phone = chance.choice(list(PHONES))
    sends = tuple(
        Send(f"VL{chance.getrandbits(128):032x}", chance.choice(["sms", "whatsapp"]), begun + number * 200.0, state)
        for number, state in enumerate(chance.choices(["sent", "unknown", "refused"], [5, 1, 1], k=chance.randrange(4)))
    )
    ended = {"status": Status.APPROVED, "ended_at": begun + 590.0} if chance.random() < 0.5 else {}
    verification = Verification(
        f"VE{chance.getrandbits(128):032x}", chance.choice(["login", "pay"]), "k1", 6, Instant(begun, "", 0.0), 600.0,
        sends=sends, origin=Origin("verify_v2", "", PHONES[phone]), **ended,
    )  # fmt: skip
    ending = of_verification(phone, verification, NOW, ())
    assert ending
    return ending


def all_of(endings: list[Ending]) -> list[Attempt]:
    rows = sorted((row_of(ending, NUMBERS) for ending in endings), key=lambda row: (row.begun, row.id), reverse=True)
    found = []
    for row in rows:
        left = [message for message in messages_in(row.messages) if message.delivery != "refused"]
        approved = row.outcome == "approved"
        found += [Attempt(row, m, approved and m.id == left[-1].id) for m in reversed(left)]
    return found


def fitting(wanted: Filter, attempt: Attempt) -> bool:
    row, message, is_converted = attempt
    return all([
        row.subject in wanted.purposes,
        wanted.after is None or message.at >= wanted.after,
        wanted.before is None or message.at <= wanted.before,
        not wanted.phone or row.number == NUMBERS.name(wanted.phone),
        not wanted.country or row.country == wanted.country,
        row.prefix.startswith(wanted.prefix),
        not wanted.channels or message.channel in wanted.channels,
        not wanted.verification_id or row.id == wanted.verification_id,
        wanted.converted is None or is_converted == wanted.converted,
    ])  # fmt: skip


def a_filter(chance: random.Random, endings: list[Ending]) -> Filter:
    def sometimes(value: Any, otherwise: Any) -> Any:
        return value if chance.random() < 0.3 else otherwise

    moments = [BEGUN + 200.0 * chance.randrange(-2, 400) for _ in range(2)]
    return Filter(
        chance.choice([["login"], ["pay", "login"], ["none"], []]),
        after=sometimes(moments[0], None), before=sometimes(moments[1], None),
        phone=sometimes(chance.choice(list(PHONES)), ""), country=sometimes("US", ""),
        prefix=sometimes(chance.choice(["+1", "+1415", "+44740", "+9"]), ""),
        channels=sometimes(["sms"], []),
        verification_id=chance.choice(endings).id if chance.random() < 0.1 else "",
        converted=sometimes(chance.random() < 0.5, None),
    )  # fmt: skip


def test_every_page_and_count(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 7)
    chance = random.Random(1)
    endings = [some(chance) for _ in range(120)]
    write(database, endings, NUMBERS)
    reader, everything, met = Attempts(database, NUMBERS), all_of(endings), 0
    for turn in range(60):
        wanted = a_filter(chance, endings)
        expected = [attempt for attempt in everything if fitting(wanted, attempt)]
        size, found = chance.randrange(1, 40), list[Attempt]()
        while page := reader.page(wanted, size, _last(found)):
            found += page
        assert found == expected, (turn, wanted)
        assert reader.page(wanted, 5, skip=3) == expected[3:8]
        counted = wanted._replace(converted=None, verification_id="")
        every = [attempt for attempt in everything if fitting(counted, attempt)]
        assert reader.summary(counted) == (len(every), sum(attempt.is_converted for attempt in every)), (turn, counted)
        met += len(expected)
    assert met > 200


def _last(found: list[Attempt]) -> Place | None:
    return Place(found[-1].row.begun, found[-1].row.id, found[-1].message.id) if found else None


def test_one_attempt(database: Database) -> None:
    """Of the own purposes only."""
    chance = random.Random(2)
    endings = [some(chance) for _ in range(20)]
    write(database, endings, NUMBERS)
    reader = Attempts(database, NUMBERS)
    for attempt in all_of(endings):
        assert reader.find([attempt.row.subject], attempt.message.id) == attempt
        assert reader.find(["other"], attempt.message.id) is None
    assert reader.find(["login"], "VL" + "0" * 32) is None


def test_before_a_history_has_begun_there_are_none(database: Database) -> None:
    reader = Attempts(database, NUMBERS)
    assert (reader.page(Filter(["login"]), 10), reader.summary(Filter(["login"]))) == ([], (0, 0))
