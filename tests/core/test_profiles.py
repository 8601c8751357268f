"""What a profile may set: sends of one verification, codes that are accepted again, a caller that approves."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

from otp_app.core.check_transitions import Verdict
from otp_app.core.errors import DeliveryRefused, NotPending, TooManySends, VerificationNotFound, VerificationSpent
from otp_app.core.events import Approval, Checked
from otp_app.core.ledger import Status
from otp_app.core.policy import Policy
from otp_app.core.results import SendRequest
from otp_app.core.send_transitions import settle
from otp_app.core.texts import Texts
from tests.core.fakes import PHONE, FakeChannel, World, refused
from tests.core.number import Number

TEN_MINUTES = Policy(
    ttl=600, gaps=(), sends_per_verification=3, sends_per_hour=50, sends_per_day=50, api_attempts=5
)  # fmt: skip
AGAIN = Policy(once_only=False, gaps=())


def attempt(world: World, code: str) -> tuple[bool, Status | None, bool]:
    verdict = world.service().check(code, phone_number=PHONE)
    return verdict.approved, verdict.status, verdict.counted


def test_a_verification_has_so_many_messages(world: World) -> None:
    world.policy = TEN_MINUTES
    for _ in range(3):
        world.send()
    world.clock.forward(100)
    with pytest.raises(VerificationSpent) as spent:
        world.send()
    assert (spent.value.retry_after, spent.value.quota, spent.value.code) == (500, 3, "verification_spent")
    assert isinstance(spent.value, TooManySends)
    world.service().check(world.code(), phone_number=PHONE)
    assert world.send().verification_id


def test_refused_messages_are_not_among_them(world: World) -> None:
    world.policy = TEN_MINUTES
    world.send()
    world.sms.script.extend([refused()] * 3)
    for _ in range(3):
        with pytest.raises(Exception, match="could not be sent"):
            world.send()
    world.send()
    world.send()
    with pytest.raises(VerificationSpent):
        world.send()


def test_messages_are_counted_though_their_history_was_dropped() -> None:
    """A full ledger forgets sends, and never what a limit counts."""
    number = Number(TEN_MINUTES)
    for _ in range(3):
        verification = number.send()
    number.ledger = number.ledger.with_verification(structs.replace(number.of(verification), sends=()))
    with pytest.raises(VerificationSpent):
        number.begin()


def test_a_test_number_has_as_many_as_it_likes() -> None:
    number = Number(TEN_MINUTES)
    for _ in range(9):
        number.begin(test_code="123456")


def test_a_resend_does_not_extend_a_life_that_has_its_whole_length(world: World) -> None:
    world.policy = TEN_MINUTES
    world.send()
    world.clock.forward(500)
    assert world.send().expires_in == 100


def test_a_resend_by_an_api_of_shorter_lives_does_not_shorten_one(world: World) -> None:
    world.policy = TEN_MINUTES
    world.send()
    world.policy = Policy(gaps=())
    world.clock.forward(10)
    assert world.send().expires_in == 590


def test_a_code_may_be_good_again_until_its_life_is_over(world: World) -> None:
    world.policy = AGAIN
    world.send()
    code = world.code()
    assert [attempt(world, code)[0] for _ in range(3)] == [True, True, True]
    world.clock.forward(299)
    assert attempt(world, code)[0]
    world.clock.forward(1)
    assert attempt(world, code) == (False, Status.EXPIRED, False)


def test_a_used_code_is_no_good_for_who_takes_it_once(world: World) -> None:
    world.policy = AGAIN
    world.send()
    assert attempt(world, world.code())[0]
    world.policy = Policy()
    assert attempt(world, world.code()) == (False, Status.APPROVED, False)


def test_attempts_at_a_used_code_are_counted(world: World) -> None:
    """Or it could be guessed through while it is good again."""
    world.policy = AGAIN
    world.send()
    assert attempt(world, world.code())[0]
    wrong = "000000" if world.code() != "000000" else "111111"
    assert [attempt(world, wrong)[2] for _ in range(6)] == [True] * 5 + [False]
    assert attempt(world, world.code()) == (False, Status.MAX_ATTEMPTS_REACHED, False)
    (verification,) = world.ledger().verifications
    assert (verification.status, world.ledger().exhaustions) == (Status.APPROVED, 0)  # it stays approved


def test_an_approval_says_what_was_shown(world: World) -> None:
    sending = world.send(purpose="payment")
    world.clock.forward(7)
    verdict = world.service().check(world.code(), verification_id=sending.verification_id)
    assert verdict.approval == Approval(PHONE, "payment", sending.verification_id, "sms", world.clock.wall)


def test_an_approval_names_no_channel_that_refused() -> None:
    """The code came by the one before it."""
    world = World(channels=(FakeChannel("sms"), FakeChannel("whatsapp")))
    world.send(channel="sms")
    world.clock.forward(30)
    world.channels[1].always = refused()
    with pytest.raises(DeliveryRefused):
        world.send(channel="whatsapp")
    approval = world.service().check(world.code(), phone_number=PHONE).approval
    assert approval
    assert approval.channel == "sms"


def test_a_wrong_attempt_shows_nothing(world: World) -> None:
    world.send()
    assert world.service().check("0000", phone_number=PHONE).approval is None


def test_whoever_listens_hears_of_each_approval_once(world: World) -> None:
    heard: list[Approval] = []
    world.on_approved = [heard.append]
    world.policy = AGAIN
    sending = world.send()
    for code in ("0000", world.code(), world.code()):
        world.service().check(code, phone_number=PHONE)
    assert [(a.phone, a.verification_id) for a in heard] == [(PHONE, sending.verification_id)]


def test_a_wrong_attempt_at_a_used_code_is_reported_as_one(world: World) -> None:
    """Not as another approval."""
    world.policy = AGAIN
    world.send()
    assert attempt(world, world.code())[0]
    assert attempt(world, "0000") == (False, Status.PENDING, True)
    assert [e.status for e in world.events if isinstance(e, Checked)] == ["approved", "pending"]


def test_a_verdict_has_the_verification_as_it_was_before(world: World) -> None:
    sending = world.send()
    verdict = world.service().check(world.code(), phone_number=PHONE)
    before = verdict.before
    assert (verdict.approved, before.status, before.phone) == (True, Status.PENDING, PHONE)
    assert before.verification.id == sending.verification_id
    assert world.service().check("0000", phone_number="+14155552672") == Verdict()
    assert world.service().check("12", phone_number=PHONE) == Verdict()


def test_tries_are_reported_as_the_api_counts_them(world: World) -> None:
    """Three at most for one that looks at three."""
    world.policy = Policy(api_attempts=3)
    sending = world.send()
    assert world.service().status(sending.verification_id).attempts_left == 3
    assert world.service().check("0000", phone_number=PHONE).attempts_left == 2
    assert world.service().check(world.code(), phone_number=PHONE).attempts_left == 2


def test_what_is_ended_may_be_named_by_its_number(world: World) -> None:
    for end, status in (("cancel", Status.CANCELED), ("approve", Status.APPROVED)):
        sending = world.send(purpose="payment")
        with pytest.raises(VerificationNotFound):
            getattr(world.service(), end)(phone_number=PHONE)
        with pytest.raises(VerificationNotFound):
            getattr(world.service(), end)(sending.verification_id, purpose="login")
        report = getattr(world.service(), end)(phone_number=PHONE, purpose="payment")
        assert (report.verification.id, report.status) == (sending.verification_id, status)
        world.clock.forward(120)


def test_a_listener_that_fails_does_not_undo_an_approval(world: World, caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: Approval) -> None:
        raise RuntimeError("boom")

    world.on_approved = [broken]
    world.send()
    assert attempt(world, world.code())[0]
    assert "a listener failed" in caplog.text


def test_a_caller_may_vouch(world: World) -> None:
    heard: list[Approval] = []
    world.on_approved = [heard.append]
    sending = world.send()
    report = world.service().approve(sending.verification_id)
    assert (report.status, report.phone, report.expires_in) == (Status.APPROVED, PHONE, 0)
    assert [a.verification_id for a in heard] == [sending.verification_id]
    assert attempt(world, world.code()) == (False, Status.APPROVED, False)


def test_gaps_begin_anew_when_a_caller_vouches(world: World) -> None:
    sending = world.send()
    world.clock.forward(30)
    assert world.send().resend_in == 60
    world.service().approve(sending.verification_id)
    world.clock.forward(30)
    assert world.send().resend_in == 60


def test_only_for_what_is_pending(world: World) -> None:
    sending = world.send()
    world.service().cancel(sending.verification_id)
    with pytest.raises(NotPending):
        world.service().approve(sending.verification_id)
    with pytest.raises(VerificationNotFound):
        world.service().approve("VE" + "0" * 32)
    with pytest.raises(VerificationNotFound):
        world.service().approve("no id")


def test_a_verification_is_found_by_what_is_known_of_it(world: World) -> None:
    sending = world.send(purpose="payment")
    service, found = world.service(), sending.verification_id
    assert service.status(found).phone == PHONE
    assert service.status(phone_number="+1 415 555 2671", purpose="payment").verification.id == found
    assert service.status(found, phone_number=PHONE, purpose="payment").verification.id == found
    misfits = [
        {"phone_number": PHONE},
        {"phone_number": "+14155552672", "purpose": "payment"},
        {"verification_id": found, "purpose": "login"},
        {"verification_id": found, "phone_number": "+14155552672"},
        {},
    ]
    for misfit in misfits:
        with pytest.raises(VerificationNotFound):
            service.status(**misfit)


def test_other_figures_are_over_the_same_ledgers(world: World) -> None:
    service = world.service()
    strict = service.with_profile(replace(world.policy, api_attempts=1), Texts("Code {code}"))
    strict.send(PHONE, SendRequest())
    assert world.sms.messages[-1].text.startswith("Code ")
    assert strict.check("0000", phone_number=PHONE).counted
    assert not strict.check(world.code(), phone_number=PHONE).counted
    assert service.check(world.code(), phone_number=PHONE).approved


def test_new_codes_that_never_left_lead_back_to_the_one_that_did() -> None:
    """In whatever order their refusals come."""
    number = Number(Policy(new_code_on_resend=True, gaps=()))
    sent = number.send()
    (_, second), (_, third) = number.begin(), number.begin()
    for send in (second, third):
        number.ledger = settle(number.ledger, number.now, send.id, refused())
    assert number.of(sent).generation == 0
