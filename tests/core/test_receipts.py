"""Receipts: late, twice, in any order and forged; a message only moves forward, and nothing is given back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from otp_app.core.check_transitions import cancel
from otp_app.core.delivery import Delivery, ErrorClass, Explanation, Outcome, Reason
from otp_app.core.errors import StoreUnavailable
from otp_app.core.events import Checked, Delivered, Undelivered
from otp_app.core.ledger import Ledger, Report, Send
from otp_app.core.ledger_json import decode, encode
from otp_app.core.receipts import ARRIVED, DEAD, Receipt, Status, receive
from otp_app.core.results import SendRequest
from otp_app.core.send_transitions import settle
from otp_app.core.service import VerificationService
from otp_app.core.upkeep import corrected
from tests.core.fakes import PHONE, SENT, UNKNOWN, BeginningStore, FakeChannel, World, refused, wrong
from tests.core.number import Number

ORDER = ["accepted", "queued", "sending", "sent", "undelivered", "delivered", "read"]


@pytest.fixture
def number() -> Number:
    return Number()


def begun(number: Number) -> Receipt:
    """A message on its way, and what its provider may report of it."""
    verification, send = number.begin()
    return Receipt(verification.id, send.id, SENT.provider_id, Status.DELIVERED)


def take(number: Number, receipt: Receipt, status: str = "", **changes: Any) -> bool:
    """Receive; whether that changed anything."""
    receipt = receipt._replace(status=Status(status or receipt.status), **changes)
    changed = receive(number.ledger, number.now, receipt)
    number.ledger = decode(encode(changed)) if changed else number.ledger
    return changed is not None


def the_send(number: Number) -> Send:
    return number.ledger.verifications[-1].sends[-1]


forgeries = st.sampled_from([
    {"provider_id": "SM" + "f" * 32}, {"provider_id": ""}, {"send_id": "VL"}, {"verification_id": ""},
])  # fmt: skip
reports = st.lists(st.tuples(st.sampled_from([*Status]), st.none() | forgeries), max_size=20)


@given(reports)
@example([(status, None) for status in reversed([*Status])])
def test_a_message_only_moves_forward(reported: list[tuple[Status, dict[str, str] | None]]) -> None:
    """Shuffled, doubled and forged: the furthest report holds, each step once, and a forged one changes nothing."""
    number = Number()
    receipt = begun(number)
    number.ledger = settle(number.ledger, number.now, receipt.send_id, SENT)
    before = number.ledger
    for status, forgery in reported:
        number.clock.forward(1)
        changed = take(number, receipt, status, **forgery or {})
        assert not (changed and forgery)
    genuine = [status for status, forgery in reported if not forgery]
    ranks = [next(n for n, step in enumerate(ORDER) if _like(status) == step) for status in genuine]
    kept = [ORDER.index(_like(report.status)) for report in the_send(number).receipts]
    assert kept == sorted(set(kept))
    assert kept[-1:] == ([max(ranks)] if ranks else [])
    without = replace(the_send(number), receipts=())
    assert number.ledger.with_verification(number.ledger.verifications[0].with_send(without)) == before


def _like(status: str) -> str:
    """The first of its rank."""
    return {"scheduled": "accepted", "failed": "undelivered", "canceled": "undelivered"}.get(status, status)


def test_a_late_arrival_is_believed_after_a_failure_and_not_the_other_way_round(number: Number) -> None:
    receipt = begun(number)
    assert take(number, receipt, "undelivered", provider_code=30003)
    number.clock.forward(0.25)
    assert take(number, receipt, "delivered")
    assert not take(number, receipt, "undelivered")
    wall = number.clock.wall
    assert the_send(number).receipts == (Report("undelivered", wall - 0.25, 30003), Report("delivered", wall))


@pytest.mark.parametrize("outcome", ["pending", UNKNOWN])
@pytest.mark.parametrize("status", [status for status in Status if status not in DEAD])
def test_a_send_without_an_outcome_was_sent_as_its_first_receipt_says(
    number: Number, outcome: Delivery | str, status: Status
) -> None:
    """With the provider's id; a settle that comes later changes nothing."""
    receipt = begun(number)
    if isinstance(outcome, Delivery):
        number.ledger = settle(number.ledger, number.now, receipt.send_id, outcome)
    assert take(number, receipt, status)
    verification, send = number.ledger.verifications[-1], the_send(number)
    assert (send.state, send.provider_id, verification.out) == ("sent", SENT.provider_id, True)
    assert settle(number.ledger, number.now, send.id, refused()) == number.ledger


@pytest.mark.parametrize("status", sorted(DEAD))
def test_a_failure_that_overtakes_the_answer_leaves_the_outcome_to_it(number: Number, status: Status) -> None:
    """Twilio may answer that the message has failed: then it is refused, and the next channel follows."""
    receipt = begun(number)
    assert take(number, receipt, status, provider_code=63016)
    answer = Delivery(Outcome.REFUSED, "", Reason.FAILED)
    following = Send("VL2", "sms", number.clock.wall)
    number.ledger = settle(number.ledger, number.now, receipt.send_id, answer, following)
    first, second = number.ledger.verifications[-1].sends
    assert (first.state, first.provider_id, second.state) == ("refused", SENT.provider_id, "pending")
    assert first.receipts == (Report(status, number.clock.wall, 63016),)


@pytest.mark.parametrize("status", sorted(DEAD))
def test_a_failure_gives_nothing_back_and_ends_nothing(number: Number, status: Status) -> None:
    number.send()
    before = number.ledger
    send = the_send(number)
    take(number, Receipt(before.verifications[0].id, send.id, send.provider_id, status))
    after = number.ledger
    assert (after.sent, after.last_send, after.streak) == (before.sent, before.last_send, before.streak)
    assert number.check(after.verifications[0]).approved


def test_an_ended_verification_takes_receipts_and_stays_ended(number: Number) -> None:
    receipt = begun(number)
    number.ledger, _ = cancel(number.ledger, number.now, number.policy, number.ledger.verifications[0])
    assert take(number, receipt)
    assert (number.ledger.verifications[0].status, the_send(number).state) == ("canceled", "sent")


def test_a_refused_send_shows_what_came_all_the_same(number: Number) -> None:
    """A refusal gave its slot back long ago, so it stays one."""
    receipt = begun(number)
    number.ledger = settle(number.ledger, number.now, receipt.send_id, UNKNOWN)
    number.clock.forward(31)
    _, send = number.begin()
    number.ledger = settle(number.ledger, number.now, send.id, refused())
    assert take(number, receipt._replace(send_id=send.id))
    assert (the_send(number).state, the_send(number).receipts[0].status) == ("refused", "delivered")


def test_receipts_are_history_and_are_dropped_first(number: Number) -> None:
    """Of eight verifications with five messages that were read, more than the last report of each goes first."""
    number.policy = number.policy.__class__(gaps=(), sends_per_hour=0, sends_per_day=0)
    for purpose in range(8):
        for _ in range(5):
            verification, send = number.begin(f"{purpose}")
            number.ledger = settle(number.ledger, number.now, send.id, SENT)
            for status in ORDER:
                take(number, Receipt(verification.id, send.id, SENT.provider_id, Status(status)))
    assert len(encode(number.ledger)) <= 8192
    assert sum(len(v.sends) for v in number.ledger.verifications) > 25
    assert the_send(number).receipts[-1].status == "read"
    assert len(number.ledger.verifications) == 8


def test_a_report_moves_with_a_clock_that_is_set(number: Number) -> None:
    """As the send does, so the time between them stays."""
    number.clock.forward(1)
    receipt = begun(number)
    number.clock.forward(2)
    take(number, receipt)
    number.ledger = number.ledger.seen_at(number.now)
    number.clock.set(3600)
    send = corrected(number.ledger, number.now).verifications[0].sends[0]
    assert send.receipts[0].at - send.at == 2


# ---- the service


class Knowing(FakeChannel):
    """A channel that knows what its provider's numbers mean."""

    def explain(self, provider_code: int) -> Explanation:
        return Explanation(ErrorClass.CARRIER, f"number {provider_code}", elsewhere=True)


def _sent(world: World, service: VerificationService | None = None, phone: str = PHONE) -> Receipt:
    sent = (service or world.service()).send(phone, SendRequest())
    return Receipt(sent.verification_id, world.sms.messages[-1].send_id, SENT.provider_id, Status.SENT)


def test_the_channel_is_told_which_verification_its_message_belongs_to() -> None:
    """The provider is to name both ids in its receipts."""
    world = World()
    sent = world.send()
    assert world.sms.messages[0].verification_id == sent.verification_id


def test_listeners_hear_once_what_arrived_and_what_did_not() -> None:
    """With the class and number of the error, and with the masked number."""
    world = World(channels=(Knowing(),))
    receipt = _sent(world)
    world.events.clear()
    failed = receipt._replace(status=Status.UNDELIVERED, provider_code=30003)
    for one in (receipt, failed, failed, *(receipt._replace(status=status) for status in sorted(ARRIVED)), failed):
        assert world.service().receive(one)
    subject = receipt.verification_id, "+1*******671", "login"
    message = receipt.send_id, "sms", receipt.provider_id
    assert world.events == [
        Undelivered(*subject, *message, "undelivered", 30003, "carrier", "number 30003"),
        Delivered(*subject, *message, "delivered"), Delivered(*subject, *message, "read"),
    ]


@pytest.fixture
def beginning() -> World:
    """A server whose store makes several changes at once."""
    return World(stores=BeginningStore)


class Recording:
    """Keeps the numbers of the changes that it is told of."""

    def __init__(self, phones: list[str]) -> None:
        self._phones = phones

    def takes(self, _before: Ledger | None, _after: Ledger) -> bool:
        return True

    def changed(self, _key: str, _before: Ledger | None, after: Ledger) -> None:
        self._phones.append(after.phone)

    def doubted(self) -> None:
        pass


def _begun(world: World) -> list[Any]:
    assert isinstance(world.store, BeginningStore)
    return world.store.begun


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_receipts_that_are_begun_together_are_all_noted(beginning: World, order: tuple[int, ...]) -> None:
    """Of one message too, whoever waits first; a check between begin and end is kept. Each is told of once."""
    service = beginning.service()
    one, two = (_sent(beginning, service, phone) for phone in (PHONE, "+14155552672"))
    code, recorded = beginning.sms.messages[0].code, []
    service._ledgers.recorder = Recording(recorded)
    beginning.events.clear()
    begun = [service.begin_receipt(receipt) for receipt in (one, two, one._replace(status=Status.DELIVERED))]
    assert (len(_begun(beginning)), beginning.events) == (3, [])
    service.check(wrong(code), phone_number=PHONE)
    assert [begun[place]() for place in order] == [True] * 3
    found = beginning.ledger().verifications[0]
    assert (found.sends[0].receipts[-1].status, found.attempts) == ("delivered", 1)
    assert beginning.ledger("+14155552672").verifications[0].sends[0].receipts[-1].status == "sent"
    assert recorded.count("+14155552672") == 1
    assert [type(event) for event in beginning.events if not isinstance(event, Checked)] == [Delivered]


def test_a_receipt_that_was_begun_and_not_stored_is_news_when_it_comes_again(beginning: World) -> None:
    service = beginning.service()
    receipt = _sent(beginning, service)

    def fail(verb: str, index: int) -> None:
        raise StoreUnavailable

    rest = service.begin_receipt(receipt)
    assert _begun(beginning)
    beginning.store.before = fail
    with pytest.raises(StoreUnavailable):
        rest()
    _begun(beginning).clear()
    beginning.store.before = lambda verb, index: None
    assert service.receive(receipt)
    assert [report.status for report in beginning.ledger().verifications[0].sends[0].receipts] == ["sent"]


def test_a_channel_that_explains_nothing_has_unknown_errors() -> None:
    world = World()
    world.service().receive(_sent(world)._replace(status=Status.FAILED, provider_code=7))
    assert (world.events[-1].error_class, world.events[-1].provider_code) == ("unknown", 7)  # type: ignore[attr-defined]


@pytest.mark.parametrize("forged", [
    {"verification_id": "VE"}, {"verification_id": "VE" + "0" * 32}, {"send_id": "VL"}, {"provider_id": "SM2"},
])  # fmt: skip
def test_what_is_not_ours_is_not_known_and_changes_nothing(forged: dict[str, str]) -> None:
    world = World()
    receipt = _sent(world)
    before = dict(world.store.values)
    assert not world.service().receive(receipt._replace(**forged))
    assert world.store.values == before
