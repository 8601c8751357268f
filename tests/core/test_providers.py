"""Codes that a provider makes and checks: what holds here whatever the provider does."""

from __future__ import annotations

import pytest

from otp_app.core.codes import FixedCode
from otp_app.core.delivery import Finding, Reason
from otp_app.core.errors import CodeNotTaken, DeliveryRefused, StoreUnavailable, TooManyPending, TooManySends, Unchecked
from otp_app.core.events import Checked
from otp_app.core.ledger import Status
from otp_app.core.limits import Bulkhead
from otp_app.core.policy import DAY, Policy
from tests.core.fakes import PHONE, UNKNOWN, FakeChannel, FakeClock, World, refused, wrong, wrongs
from tests.core.test_service_races import _in_parallel
from tests.core.upstream import FakeChecker


@pytest.fixture
def checker(clock: FakeClock) -> FakeChecker:
    return FakeChecker(clock)


@pytest.fixture
def world(clock: FakeClock, checker: FakeChecker) -> World:
    """The provider's SMS, then WhatsApp with codes of this server."""
    return World(clock=clock, channels=(checker, FakeChannel("whatsapp")), policy=Policy(gaps=()))


def check(world: World, code: str) -> bool:
    return world.service().check(code, phone_number=PHONE).approved


def code_of(checker: FakeChecker) -> str:
    """The code that the provider sent last."""
    return checker.upstream.all[-1].code


def only(world: World, index: int = -1):
    """The number's newest verification."""
    return world.ledger().verifications[index]


def test_the_provider_makes_the_code_and_says_whether_it_is_right(world: World, checker: FakeChecker) -> None:
    world.send()
    assert (checker.messages[0].code, checker.messages[0].text) == ("", "")
    assert not check(world, wrong(code_of(checker)))
    assert check(world, code_of(checker))
    assert not check(world, code_of(checker))
    assert checker.asked == [checker.upstream.all[0].id] * 2


def test_an_attempt_is_spent_before_the_provider_is_asked(world: World, checker: FakeChecker) -> None:
    seen: list[int] = []
    checker.before_finding = lambda: seen.append(only(world).attempts)
    world.send()
    check(world, code_of(checker))
    assert (seen, only(world).attempts, world.ledger().risk[-1][1]) == ([1], 0, 0)


def test_five_wrong_codes_end_the_verification_and_no_sixth_is_asked_about(world: World, checker: FakeChecker) -> None:
    world.send()
    for code, _ in zip(wrongs(code_of(checker)), range(6), strict=False):
        check(world, code)
    assert (only(world).status, len(checker.asked)) == (Status.MAX_ATTEMPTS_REACHED, 5)


def test_an_answer_that_is_lost_approves_nothing_and_costs_the_attempt(world: World, checker: FakeChecker) -> None:
    """Though the provider has found it right: it says so to nobody again."""
    world.send()
    checker.answers_lost = 1
    with pytest.raises(Unchecked):
        check(world, code_of(checker))
    assert not check(world, code_of(checker))
    assert (only(world).status, only(world).attempts) == (Status.PENDING, 2)


@pytest.mark.parametrize("why", ["down", "no place"])
def test_a_question_that_was_never_asked_costs_nothing(world: World, checker: FakeChecker, why: str) -> None:
    world.send()
    checker.down, world.places = why == "down", Bulkhead(why != "no place")
    with pytest.raises(Unchecked):
        check(world, code_of(checker))
    assert (only(world).attempts, world.ledger().risk[-1][1], checker.asked) == (0, 0, [])
    checker.down, world.places = False, Bulkhead(1)
    assert check(world, code_of(checker))


def test_what_a_question_gives_back_is_what_it_has_cost(world: World, checker: FakeChecker) -> None:
    """Though a shorter code has taken the place of the one that it was about."""
    world.policy = Policy(gaps=(), risk_raise=2e-3)
    world.send()
    check(world, wrong(code_of(checker)))
    spent = world.ledger().risk

    def choose(name: str, attempt: str) -> Finding:
        world.send(channel="whatsapp", code="4321", replace_code=True)
        return Finding.NOT_ASKED

    checker.check = choose  # type: ignore[method-assign]
    with pytest.raises(Unchecked):
        check(world, wrong(code_of(checker)))
    assert world.ledger().risk == spent


def test_of_parallel_right_codes_one_is_accepted(world: World, checker: FakeChecker) -> None:
    world.send()
    for code, _ in zip(wrongs(code_of(checker)), range(3), strict=False):
        check(world, code)
    services = [world.service() for _ in range(4)]
    checks = _in_parallel(12, lambda n: services[n % 4].check(code_of(checker), phone_number=PHONE).approved)
    assert sum(checks) == 1
    assert [event.status for event in world.events if isinstance(event, Checked)].count("approved") == 1


def test_a_right_code_is_accepted_though_another_request_hears_first_that_it_is_gone(
    world: World, checker: FakeChecker
) -> None:
    """The same code twice, on the last two attempts: what the second one finds does not end the verification."""
    world.send()
    for code, _ in zip(wrongs(code_of(checker)), range(3), strict=False):
        check(world, code)
    found, second = checker.upstream.check, list[bool]()

    def meanwhile(name: str, attempt: str) -> Finding:
        finding = found(name, attempt)
        if finding == Finding.RIGHT:
            second.append(check(world, attempt))
        return finding

    checker.upstream.check = meanwhile  # type: ignore[method-assign]
    assert check(world, code_of(checker))
    assert second == [False]


def test_of_parallel_wrong_codes_five_are_asked_about(world: World, checker: FakeChecker) -> None:
    world.send()
    services, code = [world.service() for _ in range(4)], wrong(code_of(checker))
    _in_parallel(12, lambda n: services[n % 4].check(code, phone_number=PHONE))
    assert len(checker.asked) == 5


@pytest.mark.parametrize("meanwhile", ["canceled", "expired", "replaced"])
def test_what_ended_while_the_provider_looked_is_not_approved(
    world: World, checker: FakeChecker, meanwhile: str
) -> None:
    steps = {
        "canceled": lambda: checker.upstream.all and world.service().cancel(phone_number=PHONE),
        "expired": lambda: world.clock.forward(301),
        "replaced": lambda: world.send(channel="whatsapp"),
    }
    world.send()
    found = checker.upstream.check
    checker.upstream.check = lambda *asked: (found(*asked), steps[meanwhile]())[0]  # type: ignore[method-assign]
    assert not check(world, code_of(checker))
    assert world.service().status(phone_number=PHONE).status != Status.APPROVED


# ---- messages


def test_a_resend_has_the_same_code(world: World, checker: FakeChecker) -> None:
    first, second = world.send(), world.send()
    assert (first.verification_id, len(checker.upstream.all)) == (second.verification_id, 1)


def test_another_channel_brings_a_new_code_and_ends_the_providers(world: World, checker: FakeChecker) -> None:
    world.send()
    old = code_of(checker)
    check(world, wrong(old))
    world.send(channel="whatsapp")
    assert (checker.upstream.all[0].status, only(world).attempts) == ("canceled", 1)
    assert not check(world, old)
    assert check(world, world.channels[1].messages[-1].code)


def test_a_message_that_another_channel_refused_leaves_the_providers_code(world: World, checker: FakeChecker) -> None:
    world.send()
    world.channels[1].script = [refused()]
    with pytest.raises(DeliveryRefused):
        world.send(channel="whatsapp")
    assert check(world, code_of(checker))


def test_after_a_refusal_the_next_channel_has_a_code_of_this_server(world: World, checker: FakeChecker) -> None:
    checker.script = [refused()]
    assert world.send().channel == "whatsapp"
    assert check(world, world.channels[1].messages[-1].code)
    assert checker.asked == []


def test_after_a_refusal_the_provider_can_take_over(world: World, checker: FakeChecker) -> None:
    world.channels = (FakeChannel("whatsapp"), checker)
    world.channels[0].script = [refused()]
    assert world.send().channel == "sms"
    assert not check(world, world.channels[0].messages[-1].code)
    assert check(world, code_of(checker))


@pytest.mark.parametrize("end", ["expired", "exhausted"])
def test_a_new_verification_has_a_new_code(world: World, checker: FakeChecker, end: str) -> None:
    """The provider would send what is pending there once more, with the attempts that were spent at it."""
    world.send()
    for code, _ in zip(wrongs(code_of(checker)), range(5 * (end == "exhausted")), strict=False):
        check(world, code)
    world.clock.forward(301)
    world.send()
    world.send()  # the same again
    assert [held.status for held in checker.upstream.all] == ["canceled", "pending"]
    assert check(world, code_of(checker))


def test_no_message_leaves_while_the_earlier_code_may_be_pending(world: World, checker: FakeChecker) -> None:
    world.send()
    world.clock.forward(301)
    checker.down, world.channels = True, (checker,)
    with pytest.raises(DeliveryRefused) as error:
        world.send()
    assert (error.value.reason, len(checker.messages)) == (Reason.UNREACHABLE, 1)


def test_a_code_that_the_provider_did_not_hear_approved_is_not_sent_for_another_purpose(
    world: World, checker: FakeChecker
) -> None:
    world.send()
    checker.down = True
    world.service().approve(phone_number=PHONE)
    checker.down = False
    world.send(purpose="payment")
    assert [held.status for held in checker.upstream.all] == ["canceled", "pending"]


@pytest.mark.parametrize("how", ["unknown", "not stored"])
def test_after_a_resend_that_may_have_begun_anew_the_code_is_checked_by_the_number(
    world: World, checker: FakeChecker, how: str
) -> None:
    """The right code was used up there by a check whose answer was lost."""
    world.send()
    checker.answers_lost = 1
    with pytest.raises(Unchecked):
        check(world, code_of(checker))

    def fail(verb: str, index: int) -> None:
        if how == "not stored" and len(checker.messages) > 1:
            raise StoreUnavailable

    checker.script, world.store.before = [UNKNOWN] * (how == "unknown"), fail
    world.send()
    world.store.before = lambda verb, index: None
    assert check(world, code_of(checker))


def test_a_code_whose_message_may_have_left_is_checked_by_the_number(world: World, checker: FakeChecker) -> None:
    checker.script = [UNKNOWN]
    world.send()
    assert check(world, code_of(checker))
    assert checker.asked == [PHONE]


def test_the_provider_holds_one_code_of_a_number_so_one_purpose_is_pending(world: World, checker: FakeChecker) -> None:
    """Else the code of a log-in would approve a payment."""
    world.send()
    with pytest.raises(TooManyPending):
        world.send(purpose="payment")
    assert world.send(purpose="payment", channel="whatsapp").channel == "whatsapp"
    assert check(world, code_of(checker))


def test_the_provider_takes_over_from_no_channel_while_it_holds_another_purpose(
    world: World, checker: FakeChecker
) -> None:
    world.send()
    world.channels = (FakeChannel("whatsapp"), checker)
    world.channels[0].script = [refused()]
    with pytest.raises(DeliveryRefused):
        world.send(purpose="payment")


def test_a_chosen_code_goes_over_channels_that_take_one(world: World, checker: FakeChecker) -> None:
    with pytest.raises(CodeNotTaken):
        world.send(code="123456", channel="sms")
    assert world.send(code="123456").channel == "whatsapp"
    assert check(world, "123456")


@pytest.mark.parametrize(("end", "status"), [("cancel", "canceled"), ("approve", "approved")])
def test_what_the_caller_ends_ends_at_the_provider(world: World, checker: FakeChecker, end: str, status: str) -> None:
    world.send()
    getattr(world.service(), end)(phone_number=PHONE)
    assert checker.upstream.all[0].status == status


def test_the_operator_reads_of_what_may_still_be_pending_there(
    world: World, checker: FakeChecker, caplog: pytest.LogCaptureFixture
) -> None:
    world.send()
    checker.down = True
    assert world.service().cancel(phone_number=PHONE).status == Status.CANCELED
    assert "may still be pending at upstream" in caplog.text
    assert PHONE not in caplog.text


def test_a_channel_by_request_is_used_where_a_request_names_it(clock: FakeClock) -> None:
    world = World(clock=clock, channels=(FakeChecker(clock, "call", by_request=True), FakeChannel("sms")))
    assert world.send().channel == "sms"
    clock.forward(31)
    assert world.send(channel="call").channel == "call"


def test_a_provider_that_is_gone_from_the_settings_costs_no_attempt(world: World, checker: FakeChecker) -> None:
    world.send()
    world.channels = (FakeChannel("sms"),)
    with pytest.raises(Unchecked):
        check(world, code_of(checker))
    assert only(world).attempts == 0


def test_a_test_number_has_its_code_and_no_provider(world: World, checker: FakeChecker) -> None:
    world.test_numbers = {PHONE: FixedCode("246802", world.clock.wall + DAY)}
    world.send()
    assert check(world, "246802")
    assert (checker.messages, checker.asked) == ([], [])


# ---- a number at risk


def at_risk(world: World, checker: FakeChecker) -> None:
    """Spend wrong codes until the number is at risk, and let a day pass."""
    for _ in range(5):
        world.send(channel="sms")
        for code, _ in zip(wrongs(code_of(checker)), range(5), strict=False):
            check(world, code)
        world.clock.forward(DAY)


def test_a_number_at_risk_gets_one_message_a_day_for_one_attempt(world: World, checker: FakeChecker) -> None:
    """Its codes cannot be longer."""
    at_risk(world, checker)
    assert world.send(channel="sms").resend_in == DAY
    assert world.service().status(phone_number=PHONE).attempts_left == 1
    check(world, wrong(code_of(checker)))
    assert only(world).status == Status.MAX_ATTEMPTS_REACHED
    world.clock.forward(DAY - 1)
    with pytest.raises(TooManySends) as error:
        world.send(channel="sms", authenticated=True)
    assert (error.value.quota, error.value.retry_after) == (1, 1)
    world.clock.forward(1)
    world.send(channel="sms")
    assert check(world, code_of(checker))


def test_codes_of_this_server_for_such_a_number_are_longer_and_as_many_as_before(
    world: World, checker: FakeChecker
) -> None:
    at_risk(world, checker)
    world.policy = Policy(gaps=(), risk_raise=25e-6)
    for _ in range(2):
        world.send(channel="whatsapp")
    assert len(world.channels[1].messages[-1].code) == 8


def test_the_provider_takes_over_from_no_channel_for_such_a_number(world: World, checker: FakeChecker) -> None:
    at_risk(world, checker)
    world.channels = (FakeChannel("whatsapp"), checker)
    world.channels[0].script = [refused()]
    with pytest.raises(DeliveryRefused):
        world.send()
