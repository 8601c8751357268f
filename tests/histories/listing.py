"""Attempts as a list of all rows has them: what pages and counts of the history are compared with."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

from otp_app.core.endings import Ending, of_verification
from otp_app.core.instant import Instant
from otp_app.core.ledger import Origin, Send, Status, Verification
from otp_app.history.attempts import Attempt, Filter, Summary
from otp_app.history.rows import Row, messages_in
from tests.histories.recording import NUMBERS

BEGUN = 1_800_000_000.0
PHONES = {"+14155552671": "US", "+14155552672": "US", "+447400123456": "GB"}
NOW = Instant(BEGUN + 864_000.0, "", 0.0)


def some(chance: random.Random, days: int = 1) -> Ending:
    """Return a verification of one of these days; some begin in the same moment, or with a day."""
    begun = BEGUN + chance.choice([0.0, 600.0, 57_600.0, float(chance.randrange(80_000))])
    begun += 86_400.0 * chance.randrange(days)
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


def all_of(rows: Iterable[Row]) -> list[Attempt]:
    """Return the attempts of these rows, the newest first."""
    rows = sorted(rows, key=lambda row: (row.begun, row.id), reverse=True)
    found = []
    for row in rows:
        left = [message for message in messages_in(row.messages) if message.delivery != "refused"]
        approved = row.outcome == "approved"
        found += [Attempt(row, m, approved and m.id == left[-1].id) for m in reversed(left)]
    return found


def fitting(wanted: Filter, attempt: Attempt) -> bool:
    """Return whether an attempt is wanted."""
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


def a_filter(chance: random.Random, ids: list[str], days: int = 1) -> Filter:
    """Return one of many questions."""

    def sometimes(value: Any, otherwise: Any) -> Any:
        return value if chance.random() < 0.3 else otherwise

    moments = [BEGUN + 200.0 * chance.randrange(-2, 400 * days) for _ in range(2)]
    return Filter(
        chance.choice([["login"], ["pay", "login"], ["none"], []]),
        after=sometimes(moments[0], None), before=sometimes(moments[1], None),
        phone=sometimes(chance.choice(list(PHONES)), ""), country=sometimes("US", ""),
        prefix=sometimes(chance.choice(["+1", "+1415", "+44740", "+9"]), ""),
        channels=sometimes(["sms"], []),
        verification_id=chance.choice(ids) if chance.random() < 0.1 else "",
        converted=sometimes(chance.random() < 0.5, None),
    )  # fmt: skip


def counted(wanted: Filter, everything: list[Attempt]) -> Summary:
    """Return how many attempts are wanted, and how many of them converted."""
    found = [attempt for attempt in everything if fitting(wanted, attempt)]
    return Summary(len(found), sum(attempt.is_converted for attempt in found))
