"""Send through the service: what the caller hears, what is stored, what leaves."""

from __future__ import annotations

import pytest

from otp_app.core.delivery import Outcome
from otp_app.core.errors import (
    CountryNotAllowed,
    InvalidInput,
    InvalidPhone,
    StoreUnavailable,
    TooManySends,
    TooSoon,
    UnknownChannel,
)
from otp_app.core.policy import Policy
from otp_app.core.results import SendRequest, SendResult
from tests.core.fakes import PHONE, UNKNOWN, World

ODD = ["", "VE", "\ud800", "\0", "é" * 40, "VE" + "0" * 33, "0" * 1_000_000, "{}", "../..", "VE" + "\u0660" * 32]


def _short(text: str) -> str:
    return ascii(text[:8])


def test_a_send_answers_with_what_the_caller_may_know(world: World) -> None:
    sending = world.send()
    assert (sending.to, sending.channel, sending.outcome) == ("+1*******671", "sms", Outcome.SENT)
    assert (sending.expires_in, sending.resend_in, sending.sends_left) == (300, 30, 4)
    assert sending.verification_id == world.ledger().verifications[0].id
    assert world.code() not in repr(sending)


def test_a_resend_is_the_same_code_and_verification(world: World) -> None:
    first = world.send()
    world.clock.forward(30)
    again = world.service().resend(first.verification_id, SendRequest())
    assert again.verification_id == first.verification_id
    assert len({m.code for m in world.sms.messages}) == 1
    assert len({m.send_id for m in world.sms.messages}) == 2


def test_a_resend_keeps_the_purpose_of_its_verification(world: World) -> None:
    first = world.send(purpose="payment")
    world.clock.forward(30)
    assert world.service().resend(first.verification_id, SendRequest("login")).verification_id == first.verification_id


def test_with_new_codes_on_resend_only_the_last_one_counts(world: World) -> None:
    world.policy = Policy(new_code_on_resend=True)
    world.send()
    old = world.code()
    world.clock.forward(30)
    world.send()
    assert world.code() != old
    assert not world.service().check(old, phone_number=PHONE).approved
    assert world.service().check(world.code(), phone_number=PHONE).approved


def test_every_spelling_of_a_number_is_one_number(world: World) -> None:
    world.send("+1 (415) 555-2671")
    with pytest.raises(TooSoon):
        world.send("+1.415.555.2671")
    assert world.service().check(world.code(), phone_number=" +14155552671").approved


def test_the_caps_of_a_number_hold_over_all_purposes_and_channels(two_channels: World) -> None:
    for n, wait in enumerate([30, 60, 120, 300, 300]):
        two_channels.send(purpose=f"p{n}", channel=("sms", "whatsapp")[n % 2])
        two_channels.clock.forward(wait)
    for channel in (None, "sms", "whatsapp"):
        with pytest.raises(TooManySends):
            two_channels.send(purpose="another", channel=channel)


def test_two_numbers_share_no_limit(world: World) -> None:
    world.send()
    world.send("+14155552672")
    assert len(world.messages()) == 2


def test_sends_are_counted_across_restarts(world: World) -> None:
    """Each send of this world is a fresh process over the same store."""
    world.send()
    with pytest.raises(TooSoon):
        world.send()
    assert len(world.messages()) == 1


def test_an_unlisted_country_is_refused_before_anything_is_stored(world: World) -> None:
    world.countries = frozenset({"IN"})
    with pytest.raises(CountryNotAllowed):
        world.send()
    assert (world.store.calls, world.messages()) == ([], [])


def test_a_fixed_line_needs_a_channel_that_reaches_it(two_channels: World) -> None:
    assert two_channels.send("+442079460958").channel == "whatsapp"
    with pytest.raises(InvalidPhone):
        two_channels.send("+390612345678", channel="sms")


@pytest.mark.parametrize("channel", ["voice", "", "SMS", "sms ", "\ud800", "x" * 100_000], ids=_short)
def test_only_channels_that_are_served_can_be_asked_for(world: World, channel: str) -> None:
    with pytest.raises(UnknownChannel):
        world.send(channel=channel)
    assert world.store.calls == []


@pytest.mark.parametrize("purpose", ["", "Login", "a b", "é", "p" * 33, "p\n", "\ud800", "a" * 1_000_000], ids=_short)
def test_a_purpose_is_a_short_word(purpose: str) -> None:
    with pytest.raises(InvalidInput):
        SendRequest(purpose)


@pytest.mark.parametrize("locale", [" en", "é", "\ud800", "en\n", "../etc", "en,de", "a" * 1_000_000], ids=_short)
def test_a_locale_has_the_characters_of_a_language_tag(locale: str) -> None:
    with pytest.raises(InvalidInput):
        SendRequest(locale=locale)


@pytest.mark.parametrize("app_hash", ["A" * 10, "A" * 12, "A" * 10 + "-", "A" * 11 + "\n", "A" * 9**6], ids=_short)
def test_an_app_is_named_by_eleven_characters(app_hash: str) -> None:
    with pytest.raises(InvalidInput):
        SendRequest(app_hash=app_hash)


def test_the_next_verification_is_for_no_app(world: World) -> None:
    """The hash stays with the verification that it was given for: for each of its messages, and for none of another."""
    world.policy, texts, first = Policy(gaps=()), [], {"app_hash": "FA+9qCX9VSu"}
    for request in (first, {}, {"purpose": "pay"}, {}):
        world.send(**request)
        texts.append(world.sms.messages[-1].text.splitlines()[1:])
        world.clock.forward(61 if len(texts) < 3 else 301)
    assert texts == [["", "FA+9qCX9VSu"], ["", "FA+9qCX9VSu"], [], []]


@pytest.mark.parametrize("odd", ODD, ids=_short)
def test_an_odd_number_is_refused_before_anything_is_stored(world: World, odd: str) -> None:
    for call in (world.send, lambda text: world.service().check("123456", phone_number=text)):
        with pytest.raises(InvalidPhone):
            call(odd)
    assert world.store.calls == []


def test_an_unknown_outcome_is_reported_and_the_code_is_good(world: World) -> None:
    world.sms.script = [UNKNOWN]
    assert world.send().outcome == Outcome.UNKNOWN
    assert world.service().check(world.code(), phone_number=PHONE).approved


def test_the_caller_hears_of_a_send_before_it_leaves(world: World) -> None:
    seen: list[tuple[SendResult, int]] = []
    sending = world.service().send(PHONE, SendRequest(), lambda s: seen.append((s, len(world.messages()))))
    provisional, messages = seen[0]
    assert messages == 0
    assert provisional.outcome == Outcome.UNKNOWN
    assert provisional.verification_id == sending.verification_id


def test_a_caller_that_stops_a_send_stops_its_message(world: World) -> None:
    def stop(_: SendResult) -> None:
        raise StoreUnavailable

    with pytest.raises(StoreUnavailable):
        world.service().send(PHONE, SendRequest(), stop)
    assert world.messages() == []


def test_a_ledger_under_the_same_name_of_another_number_gives_way(world: World) -> None:
    world.send()
    key = world.ids.ledger(PHONE)
    entry = world.store.values.pop(key)
    world.store.values[world.ids.ledger("+14155552672")] = entry
    assert not world.service().check(world.code(), phone_number="+14155552672").approved
    world.send("+14155552672")
    assert world.ledger("+14155552672").phone == "+14155552672"
