"""Codes that callers chose: stored as their offset from the derived one, sent again, replaced on demand only."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from otp_app.core.codes import FixedCode, code_offset, shift_code
from otp_app.core.delivery import Message
from otp_app.core.errors import DeliveryRefused, InvalidInput
from otp_app.core.ledger_json import decode, encode
from otp_app.core.limits import risk_spent
from otp_app.core.policy import Policy
from otp_app.core.results import SendRequest
from tests.core.fakes import PHONE, SENT, World, refused


def test_a_chosen_code_is_sent_and_accepted(world: World) -> None:
    world.send(code="0042")
    assert world.code() == "0042"
    assert "0042 " in f"{world.sms.messages[-1].text} "
    assert world.service().check("0042", phone_number=PHONE).approved


def test_it_is_not_readable_at_rest(world: World) -> None:
    world.send(code="86420")
    (verification,) = world.ledger().verifications
    assert "86420" not in encode(world.ledger()).decode()
    assert verification.digits == 5
    assert shift_code("13579", code_offset("86420", "13579")) == "86420"


def test_the_record_is_read_as_it_was_written(world: World) -> None:
    world.send(code="1234567890")
    ((generation, length, apart),) = world.ledger().verifications[0].chosen
    assert (generation, length) == (0, 10)
    assert world.ledger().verifications[0].chosen == ((0, 10, apart),)
    assert decode(encode(world.ledger())) == world.ledger()


@pytest.mark.parametrize("code", ["123", "12345678901", "12a4", "١٢٣٤", " 1234", "-1234"])
def test_what_cannot_be_a_code_is_refused(code: str) -> None:
    with pytest.raises(InvalidInput):
        SendRequest(code=code)


def test_a_resend_brings_the_code_that_was_chosen_first(world: World) -> None:
    world.send(code="1111")
    world.clock.forward(30)
    world.send(code="2222")
    assert [m.code for m in world.sms.messages] == ["1111", "1111"]


def test_a_resend_without_a_choice_brings_it_too(world: World) -> None:
    first = world.send(code="1111")
    world.clock.forward(30)
    assert world.send().verification_id == first.verification_id
    assert world.code() == "1111"


def test_a_choice_does_not_change_a_derived_code(world: World) -> None:
    world.send()
    derived = world.code()
    world.clock.forward(30)
    world.send(code="1111")
    assert world.code() == derived


def test_a_replaced_code_brings_no_new_attempts(world: World) -> None:
    first = world.send()
    derived = world.code()
    world.service().check("0000", phone_number=PHONE)
    world.clock.forward(30)
    assert world.send(code="1111", replace_code=True).verification_id == first.verification_id
    assert world.code() == "1111"
    assert not world.service().check(derived, phone_number=PHONE).approved
    verdict = world.service().check("1111", phone_number=PHONE)
    assert (verdict.approved, verdict.attempts_left) == (True, 3)


def test_a_code_of_another_length_may_replace_one(world: World) -> None:
    world.send(code="1111", replace_code=True)
    world.clock.forward(30)
    world.send(code="22222222", replace_code=True)
    assert world.service().check("22222222", phone_number=PHONE).approved


def test_to_insist_on_the_code_that_there_is_changes_nothing(world: World) -> None:
    world.send(code="1111", replace_code=True)
    world.clock.forward(30)
    world.send(code="1111", replace_code=True)
    assert world.ledger().verifications[0].generation == 0


def test_a_code_that_never_left_does_not_replace_the_one_before(world: World) -> None:
    world.send(code="1111")
    world.clock.forward(30)
    world.sms.script.append(refused())
    with pytest.raises(DeliveryRefused):
        world.send(code="2222", replace_code=True)
    assert world.service().check("1111", phone_number=PHONE).approved


def test_a_code_that_left_once_stays_though_its_resend_was_refused(world: World) -> None:
    world.send(code="1111")
    world.clock.forward(30)
    world.send(code="2222", replace_code=True)
    world.clock.forward(60)
    world.sms.script.append(refused())
    with pytest.raises(DeliveryRefused):
        world.send(code="2222", replace_code=True)
    assert world.service().check("2222", phone_number=PHONE).approved


def test_a_choice_stays_though_its_message_was_forgotten(world: World) -> None:
    """A full record forgets the message; the choice is still the code, should the next two never leave."""
    world.policy = Policy(gaps=())
    verification_id = world.send(code="1111").verification_id
    key, (data, end) = next(iter(world.store.values.items()))
    forgotten = replace(decode(data).verifications[0], sends=())
    world.store.values[key] = encode(decode(data).with_verification(forgotten)), end

    def another(message: Message) -> None:
        if message.code == "2222":
            with pytest.raises(DeliveryRefused):
                world.send(code="3333", replace_code=True)

    world.sms.during, world.sms.script = another, [refused(), refused()]
    with pytest.raises(DeliveryRefused):
        world.send(code="2222", replace_code=True)
    assert world.service().check("1111", verification_id=verification_id).approved


def test_a_refused_choice_is_forgotten(world: World) -> None:
    """The next new code is derived, or chosen anew; it is not the one that never left."""
    world.policy = Policy(new_code_on_resend=True)
    world.send()
    world.clock.forward(30)
    world.sms.script.append(refused())
    with pytest.raises(DeliveryRefused):
        world.send(code="2222")
    world.clock.forward(60)
    world.send()
    assert world.code() != "2222"
    assert len(world.code()) == 6


def test_with_new_codes_on_resend_each_choice_counts(world: World) -> None:
    world.policy = Policy(new_code_on_resend=True)
    world.send(code="1111")
    world.clock.forward(30)
    world.send(code="2222")
    assert [m.code for m in world.sms.messages] == ["1111", "2222"]


def test_a_test_number_keeps_its_fixed_code(world: World) -> None:
    world.test_numbers = {PHONE: FixedCode("123456", world.clock.wall + 100)}
    world.send(code="9999", replace_code=True)
    assert world.ledger().verifications[0].chosen == ()
    assert not world.service().check("9999", phone_number=PHONE).approved
    assert world.service().check("123456", phone_number=PHONE).approved


def test_a_short_code_costs_the_number_more(world: World) -> None:
    """An attempt at four digits is a hundred times as likely as one at six: after one the next codes are longer."""
    world.send(code="1111")
    world.service().check("2222", phone_number=PHONE)
    world.clock.forward(700)
    world.send()
    assert len(world.code()) == 8


def test_a_short_code_that_is_pending_makes_others_longer(world: World) -> None:
    """The attempts that it still allows are at stake."""
    world.send(code="1111")
    world.clock.forward(30)
    world.send(purpose="payment")
    assert len(world.code()) == 8


def test_a_wrong_attempt_at_a_short_code_is_given_back_whole(world: World) -> None:
    world.send(code="1111")
    world.service().check("2222", phone_number=PHONE)
    assert world.service().check("1111", phone_number=PHONE).approved
    world.clock.forward(700)
    world.send()
    assert len(world.code()) == 6


def under_attack(world: World) -> None:
    """Check so many wrong codes of this number that its codes have eight digits."""
    world.send(code="1111")
    world.service().check("2222", phone_number=PHONE)
    world.clock.forward(700)


def test_of_a_number_under_attack_a_short_choice_is_not_taken(world: World) -> None:
    """Or short choices would make attempts cheap for ever."""
    world.policy = Policy(gaps=(), sends_per_hour=9)
    under_attack(world)
    world.send(code="4444")
    assert len(world.code()) == 8
    with pytest.raises(InvalidInput, match="8 digits"):
        world.send(purpose="payment", code="4444", replace_code=True)
    world.clock.forward(700)
    world.send(code="87654321", replace_code=True)
    assert world.code() == "87654321"


def test_of_two_new_codes_that_never_left_none_is_taken(world: World) -> None:
    """Both are on their way at the same time: the code that the user has stays good."""
    world.policy = Policy(gaps=(), sends_per_hour=9)
    world.send(code="1111")
    second, third = world.service(), world.service()
    world.sms.script.extend([refused(), refused()])

    def overtaken(_: object) -> None:
        world.sms.during = lambda _: None
        with pytest.raises(DeliveryRefused):
            third.send(PHONE, SendRequest(code="3333", replace_code=True))

    world.sms.during = overtaken
    with pytest.raises(DeliveryRefused):
        second.send(PHONE, SendRequest(code="2222", replace_code=True))
    assert world.service().check("1111", phone_number=PHONE).approved


def test_of_two_pending_six_digit_codes_only_one_becomes_short(world: World) -> None:
    """What is at stake counts when a code is chosen too: a restarted service would make two codes of four digits."""
    world.policy = Policy(gaps=())
    for purpose in ("login", "payment"):
        world.send(purpose=purpose)
    world.send(code="4321", replace_code=True)
    with pytest.raises(InvalidInput, match="6 digits"):
        world.send(purpose="payment", code="4321", replace_code=True)
    assert [v.digits for v in world.ledger().verifications] == [4, 6]


def test_a_short_code_counts_while_the_long_one_in_its_place_may_not_have_left(world: World) -> None:
    world.policy = Policy(gaps=())
    world.send(code="4321")

    def choose_elsewhere(_: object) -> None:
        world.sms.during = lambda _: None
        world.send(purpose="payment", code="4321")

    world.sms.during = choose_elsewhere
    world.sms.script = [SENT, refused()]
    with pytest.raises(DeliveryRefused):
        world.send(code="87654321", replace_code=True)
    assert [v.digits for v in world.ledger().verifications] == [4, 8]


def test_an_approval_gives_back_no_more_than_the_attempt_weighed(world: World) -> None:
    """A wrong attempt at eight digits is not forgiven as one at the four digits that came later."""
    world.policy = Policy(gaps=())
    world.send(code="87654321")
    world.service().check("11111111", phone_number=PHONE)
    world.send(purpose="payment")
    world.service().check("00000", phone_number=PHONE, purpose="payment")
    spent = risk_spent(world.ledger())
    world.send(code="4321", replace_code=True)
    assert world.service().check("4321", phone_number=PHONE).approved
    assert risk_spent(world.ledger()) == spent - 100
