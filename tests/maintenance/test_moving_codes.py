"""Every code moves along: between SQLite, Redis and PostgreSQL, each way, by the command."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import closing
from itertools import permutations

import pytest

from otp_app.core.codes import CodeKeys, LedgerIds
from otp_app.core.delivery import Delivery, Message, Outcome
from otp_app.core.errors import StoreUnavailable
from otp_app.core.ledger import Ledger
from otp_app.core.ledger_json import encode
from otp_app.core.limits import Bulkhead
from otp_app.core.moving import Item
from otp_app.core.policy import Policy
from otp_app.core.send_transitions import SendPlan, begin, settle
from otp_app.core.service import VerificationService
from otp_app.core.texts import Texts
from otp_app.stores import open_store
from otp_app.system.clock import system_clock
from tests.forking import ROOT, shared
from tests.rounds import rounds

HOUR = 3600.0
NUMBERS = rounds(1000, 5000)
CHECKED = rounds(200, NUMBERS)  # of them, any of which may be the one that a copy has lost
KEYS, INDEX_KEY, POLICY = CodeKeys("k1", {"k1": b"1" * 32}), b"i" * 32, Policy()


class Mute:
    """A channel that no test here sends on."""

    name, landlines = "sms", False

    def deliver(self, message: Message) -> Delivery:
        raise AssertionError("nothing is to be sent")


def number(n: int) -> str:
    return f"+1415{5_000_000 + n}"


def ledgers(codes: dict[str, str]) -> Iterator[Item]:
    """A ledger for each number, as a send leaves it; the codes go to `codes`. Every tenth has a past too."""
    ids, now = LedgerIds(INDEX_KEY, random.Random(5).randbytes), system_clock()()
    for n in range(NUMBERS):
        phone = number(n)
        key, ledger = ids.ledger(phone), Ledger(phone)
        for purpose in ("login", "order")[: 1 + (n % 10 == 0)]:
            plan = SendPlan(purpose, ("sms",), False, ids.new_verification(key), ids.new_send(), "k1")
            ledger, verification, send, *_ = begin(ledger, now, Policy(gaps=()), plan, lambda v: "")
            ledger = settle(ledger, now, send.id, Delivery(Outcome.SENT, "SM" + f"{n:032x}"))
            if purpose == "login":
                codes[phone] = KEYS.derive("k1", verification_id=verification.id, phone=phone, purpose=purpose,
                                           generation=0, length=6)  # fmt: skip
        yield Item(key, encode(ledger), HOUR)
        if n % 10 == 0:
            yield Item(f"hits/{n}", n + 1, HOUR)


def fill(url: str) -> dict[str, str]:
    """Put the ledgers there; return the codes by number."""
    codes: dict[str, str] = {}
    items = list(ledgers(codes))
    with closing(open_store(url)) as store:
        for start in range(0, len(items), 1000):
            store.load(items[start : start + 1000])  # type: ignore[attr-defined]
    return codes


def copy_by_command(source: str, target: str) -> None:
    """Copy as an operator does."""
    status, said = shared().run(ROOT, dict(os.environ), "store", "copy", source, target)
    assert (status, f"Copied {NUMBERS + -(-NUMBERS // 10)} records." in said.splitlines()) == (0, True), said
    assert "100%" in said


def approved(url: str, codes: dict[str, str], channel: Mute) -> int:
    """How many codes are accepted there once, and not twice."""
    with closing(open_store(url)) as store:
        service = VerificationService(store, [channel], policy=POLICY, keys=KEYS, texts=Texts(), clock=system_clock(),
                                      ids=LedgerIds(INDEX_KEY, os.urandom), places=Bulkhead(1))  # fmt: skip
        once = sum(service.check(code, phone_number=phone).approved for phone, code in codes.items())
        some = random.Random(6).sample(sorted(codes), min(len(codes), 100))
        assert not any(service.check(codes[phone], phone_number=phone).approved for phone in some)
        return once


@pytest.mark.parametrize(("source", "target"), list(permutations(["sqlite", "redis", "postgres"], 2)))
def test_every_code_works_in_its_new_place(new_store, source, target) -> None:
    """A pending code is accepted once after the copy, and the first store accepts none; counters come along."""
    first, second = new_store(source), new_store(target)
    codes = fill(first)
    copy_by_command(first, second)
    assert approved(second, dict(random.Random(7).sample(sorted(codes.items()), CHECKED)), Mute()) == CHECKED
    with closing(open_store(second)) as store:
        assert store.add("hits/10", 0, HOUR) == 11
    with pytest.raises(StoreUnavailable, match="records were moved"):
        approved(first, dict([next(iter(codes.items()))]), Mute())
