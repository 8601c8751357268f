"""Proof by writing to us: which message approves a verification, and which does not."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from otp_app.core.codes import LEDGER
from otp_app.core.errors import (
    CountryNotAllowed,
    InvalidPhone,
    NotPending,
    OtpError,
    StoreUnavailable,
    TooManyPending,
    VerificationNotFound,
)
from otp_app.core.events import Approval
from otp_app.core.inbound import MOST_MESSAGES, MOST_REPLIES, Begun
from otp_app.core.inbound_transitions import Finding, Incoming
from otp_app.core.ledger import Status
from otp_app.core.ledger_json import MAX_BYTES, decode
from otp_app.core.phone import mask
from otp_app.core.policy import HOUR, Policy
from otp_app.core.results import SendRequest
from otp_app.core.words import shown
from tests.core.fakes import PHONE, World

OTHER = "+14155552672"
IDS = itertools.count()


def begin(world: World, phone: str = "", **request: Any) -> Begun:
    return world.service().inbound.begin(SendRequest(**request), phone)


def write(world: World, text: str, sender: str = PHONE, message_id: str = "", channel: str = "whatsapp") -> Any:
    """Have somebody write to us, to a fresh process; a new message each time, unless it is named."""
    address = f"{channel}:{sender}"
    message = Incoming(channel, address, sender if sender[:1] == "+" else "", message_id or f"SM{next(IDS)}", text)
    return world.service().inbound.take(message)


def status(world: World, begun: Begun) -> Status:
    return world.service().status(begun.view.verification.id).status


def approvals(world: World) -> list[Approval]:
    """What is told of from now on."""
    told: list[Approval] = []
    world.on_approved.append(told.append)
    return told


# ---- the right word


def test_the_word_from_any_number_proves_that_number(world: World) -> None:
    """Nothing is known of the number before; then it is what is told to the operator."""
    told, begun = approvals(world), begin(world, purpose="sign_up", tags={"order": "7"})
    view = begun.view
    assert (view.to, view.phone, view.status, view.expires_in) == ("", "", Status.PENDING, 300)
    assert write(world, f"My word: {shown(begun.word)}") == Finding.CONFIRMED
    id_ = view.verification.id
    assert told == [Approval(PHONE, "sign_up", id_, "whatsapp", world.clock.wall)]
    view = world.service().status(id_)
    assert (view.phone, view.status, view.verification.tags) == (PHONE, Status.APPROVED, {"order": "7"})
    (event,) = world.outcomes()
    assert (event.verification_id, event.to, event.purpose) == (id_, mask(PHONE), "sign_up")


def test_the_word_from_the_number_that_was_named_proves_it(world: World) -> None:
    told, begun = approvals(world), begin(world, "+1 415-555-2671")
    assert (begun.view.phone, write(world, begun.word)) == (PHONE, Finding.CONFIRMED)
    assert [approval.phone for approval in told] == [PHONE]


@pytest.mark.parametrize(("phone", "sender"), [
    ("+525512345678", "+5215512345678"), ("+5531987654321", "+553187654321"),
])  # fmt: skip
def test_a_number_that_the_provider_spells_another_way_is_the_same(phone: str, sender: str, world: World) -> None:
    """WhatsApp writes Mexico's mobile numbers with a 1 that phones have not, and many of Brazil's without their 9."""
    begun = begin(world, phone)
    assert write(world, begun.word, sender) == Finding.CONFIRMED


def test_the_word_is_stored_nowhere_and_told_nobody(world: World) -> None:
    begun = begin(world, PHONE)
    write(world, begun.word, OTHER)
    write(world, begun.word)
    kept = [*world.store.values, *world.store.counters, *(value for value, _ in world.store.values.values())]
    for text in (begun.word, shown(begun.word), OTHER):
        assert text not in str(kept) + str(world.events)


# ---- what proves nothing


def test_another_word_proves_nothing(world: World) -> None:
    begun = begin(world)
    for text in ("KM4T9-XQPHW", "hello", begun.word[:-1]):
        assert write(world, text, sender=f"+1415555267{len(text) % 10}") == Finding.UNKNOWN
    assert status(world, begun) == Status.PENDING


def test_a_word_that_is_late_proves_nothing(world: World) -> None:
    begun = begin(world)
    world.clock.forward(300)
    assert write(world, begun.word) == Finding.UNKNOWN
    assert status(world, begun) == Status.EXPIRED


def test_a_word_works_once(world: World) -> None:
    """Who has proved their number hears so again; for everybody else the word is unknown."""
    told, begun = approvals(world), begin(world)
    answers = [write(world, begun.word, sender) for sender in (PHONE, PHONE, OTHER)]
    assert answers == [Finding.CONFIRMED, Finding.CONFIRMED, Finding.UNKNOWN]
    assert len(told) == len(world.outcomes()) == 1
    assert world.service().status(begun.view.verification.id).phone == PHONE


def test_right_words_from_another_number_are_attempts_and_end_the_verification(world: World) -> None:
    begun = begin(world, PHONE)
    for left in (4, 3, 2, 1, 0):
        assert world.service().status(begun.view.verification.id).attempts_left == left + 1
        assert write(world, begun.word, f"+1415555268{left}") == Finding.OTHER_NUMBER
    assert status(world, begun) == Status.MAX_ATTEMPTS_REACHED
    assert write(world, begun.word) == Finding.UNKNOWN
    assert [event.status for event in world.outcomes()] == ["pending"] * 4 + ["max_attempts_reached"]
    assert {event.to for event in world.outcomes()} == {mask(PHONE)}


def test_a_message_counts_once(world: World) -> None:
    """However often its provider brings it; only the first time its sender is answered."""
    begun = begin(world, PHONE)
    assert [write(world, begun.word, OTHER, "SM-wrong") for _ in range(9)] == [Finding.OTHER_NUMBER] + [None] * 8
    assert world.service().status(begun.view.verification.id).verification.attempts == 1
    assert [write(world, begun.word, PHONE, "SM-right") for _ in range(9)] == [Finding.CONFIRMED] + [None] * 8
    assert [event.status for event in world.outcomes()] == ["pending", "approved"]


def test_a_sender_without_a_number_proves_none(world: World) -> None:
    """As WhatsApp's users may hide theirs: the word stays good for a message that shows it."""
    begun = begin(world)
    assert write(world, begun.word, "US.13491208655302741918") == Finding.NO_NUMBER
    assert (status(world, begun), world.outcomes()) == (Status.PENDING, [])
    assert write(world, begun.word) == Finding.CONFIRMED


@pytest.mark.parametrize("sender", ["+442079460958", "+49", "+18005550199", "+1415"])
def test_numbers_that_get_no_code_prove_nothing(world: World, sender: str) -> None:
    """Another country than those served, or no mobile number."""
    world.countries = frozenset({"US"})
    begun = begin(world)
    assert write(world, begun.word, sender) == Finding.NOT_SERVED
    assert status(world, begun) == Status.PENDING
    assert world.service().status(begun.view.verification.id).verification.attempts == 0


@pytest.mark.parametrize("named", ["", PHONE], ids=["any number", "the named number"])
def test_a_number_that_the_operator_has_blocked_proves_nothing(world: World, named: str) -> None:
    """It gets no code either, and the block may be younger than the verification."""
    begun = begin(world, named)
    world.service().numbers.block(PHONE)
    assert write(world, begun.word) == Finding.NOT_SERVED
    assert status(world, begun) == Status.PENDING
    world.service().numbers.unblock(PHONE)
    assert write(world, begun.word) == Finding.CONFIRMED


# ---- limits


@pytest.mark.parametrize(("phone", "error"), [("+1415", InvalidPhone), ("+442079460958", CountryNotAllowed)])
def test_a_number_that_gets_no_code_is_not_waited_for(world: World, phone: str, error: type[OtpError]) -> None:
    world.countries = frozenset({"US"})
    with pytest.raises(error):
        begin(world, phone)
    assert world.store.values == {}


def test_a_number_has_as_many_pending_as_its_policy_says(world: World) -> None:
    """Each for as long as it lives. Its messages are another matter: nobody can use those up by this."""
    for _ in range(8):
        begin(world, PHONE)
        world.clock.forward(1)
    with pytest.raises(TooManyPending) as reached:
        begin(world, PHONE)
    assert (reached.value.retry_after, reached.value.quota) == (292, 8)
    assert world.send().outcome == "sent"
    begin(world, OTHER)
    world.clock.forward(292)
    begin(world, PHONE)
    with pytest.raises(TooManyPending):
        begin(world, PHONE)


def test_a_record_lives_as_long_as_it_is_needed(world: World) -> None:
    """That of a number which is waited for, and that of a word: an hour after its end."""
    begin(world, PHONE)
    assert [round(ttl) for ttl in world.store.ttls] == [300, 300 + HOUR]


def test_a_sender_gets_few_replies_in_an_hour(world: World) -> None:
    replies = [write(world, "hello") for _ in range(6)]
    assert replies == [Finding.UNKNOWN] * MOST_REPLIES + [None] * 3
    assert write(world, "hello", OTHER) == Finding.UNKNOWN
    world.clock.forward(HOUR)
    assert write(world, "hello") == Finding.UNKNOWN


def test_by_sms_only_a_word_that_is_waited_for_is_answered(world: World) -> None:
    """Its sender may be forged: nobody can have messages sent to any number by that."""
    world.countries = frozenset({"US"})
    for sender in (PHONE, "+442079460958"):
        assert write(world, "hello", sender, channel="sms") is None
    begun = begin(world, PHONE)
    assert write(world, begun.word, OTHER, channel="sms") == Finding.OTHER_NUMBER
    assert write(world, begun.word, channel="sms") == Finding.CONFIRMED
    assert write(world, begun.word, OTHER, channel="sms") is None


def test_a_right_word_counts_without_a_reply_too(world: World) -> None:
    begun = begin(world)
    assert [write(world, "hello") for _ in range(5)][-1] is None
    assert write(world, begun.word) is None
    assert status(world, begun) == Status.APPROVED


def test_nobody_finds_a_word_by_trying(world: World) -> None:
    """After so many messages in an hour no word of this sender is looked up."""
    begun = begin(world)
    for _ in range(MOST_MESSAGES):
        write(world, "KM4T9-XQPHW")
    write(world, begun.word)
    assert status(world, begun) == Status.PENDING
    write(world, begun.word, OTHER)
    assert status(world, begun) == Status.APPROVED


def test_what_is_refused_fits_a_record(world: World) -> None:
    """With the longest ids of messages, for as many attempts as settings allow."""
    world.policy = Policy(max_attempts=10)
    begun = begin(world, PHONE, tags={"n" * 100: "v" * 150})
    for number in range(10):
        write(world, begun.word, f"+1415555268{number}", f"{number}" * 64)
    key = world.ids.ledger_of_word(begun.word)
    stored = world.store.values[key][0]
    assert len(stored) < MAX_BYTES / 2
    assert len(decode(stored).verifications[0].inbound.refused) == 10


# ---- it is a verification like any other, but for its code


def test_no_code_and_no_word_of_a_caller_approves_it(world: World) -> None:
    """It has none that could be checked or sent again, and nobody can vouch for a number that is not known."""
    for phone in ("", PHONE):
        id_ = begin(world, phone).view.verification.id
        for attempt in ("000000", "0", "1234", "1234567890"):
            verdict = world.service().check(attempt, verification_id=id_)
            assert (verdict.status, verdict.approved, verdict.counted) == (None, False, False)
        with pytest.raises(VerificationNotFound):
            world.service().approve(id_)
        with pytest.raises(VerificationNotFound):
            world.service().resend(id_, SendRequest())
        assert world.service().status(id_).verification.attempts == 0
    assert (world.messages(), world.outcomes()) == ([], [])


def test_it_can_be_canceled(world: World) -> None:
    begun = begin(world)
    assert world.service().cancel(begun.view.verification.id).status == Status.CANCELED
    assert write(world, begun.word) == Finding.UNKNOWN
    with pytest.raises(NotPending):
        world.service().cancel(begun.view.verification.id)


def test_its_id_shows_neither_the_word_nor_the_number(world: World) -> None:
    """But names the record of the word."""
    begun = begin(world, PHONE)
    id_ = begun.view.verification.id
    assert world.ids.ledger_of(id_) == world.ids.ledger_of_word(begun.word)
    assert world.ids.ledger_of_word(begun.word) != world.ids.ledger(begun.word)
    assert world.ids.ledger_of_word(begun.word).removeprefix(LEDGER) not in id_


def test_a_word_that_is_in_use_is_not_given_again(world: World, monkeypatch: Any) -> None:
    words = iter(["KM4T9XQPHW", "KM4T9XQPHW", "KM4T9XQPJ"])
    monkeypatch.setattr(type(world.ids), "new_word", lambda _: next(words))
    first, second = begin(world), begin(world)
    assert (first.word, second.word) == ("KM4T9XQPHW", "KM4T9XQPJ")
    assert write(world, first.word) == Finding.CONFIRMED
    assert status(world, second) == Status.PENDING


# ---- races and faults


def test_of_two_numbers_that_write_at_once_one_is_proved(world: World) -> None:
    told, begun = approvals(world), begin(world)

    def interfere(verb: str, _: int) -> None:
        if verb == "swap":
            world.store.before = lambda verb, index: None
            assert write(world, begun.word, OTHER) == Finding.CONFIRMED

    world.store.before = interfere
    assert write(world, begun.word) == Finding.UNKNOWN
    assert [approval.phone for approval in told] == [OTHER]


@pytest.mark.parametrize("step", range(6))
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_store_that_fails_at_any_step_loses_no_proof_and_makes_none(
    world: World, step: int, moment: str
) -> None:
    """The provider brings the same message again: the number is proved once."""
    told, begun = approvals(world), begin(world, PHONE)
    calls = len(world.store.calls)

    def fail(_: str, index: int) -> None:
        if index == calls + step:
            raise StoreUnavailable

    setattr(world.store, moment, fail)
    for _ in range(2):
        try:
            write(world, begun.word, message_id="SM-1")
        except StoreUnavailable:
            setattr(world.store, moment, lambda verb, index: None)
    assert status(world, begun) == Status.APPROVED
    assert len(told) <= 1
