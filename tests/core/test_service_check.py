"""Check, status and cancel through the service: what is looked at, what is reported and for how long."""

from __future__ import annotations

import pytest

from otp_app.core.errors import NotPending, VerificationNotFound
from otp_app.core.events import Canceled, Checked, NotChecked, Started
from otp_app.core.ledger import Status
from otp_app.core.policy import HOUR, Policy
from otp_app.core.results import SendRequest
from tests.core.fakes import PHONE, World, wrong, wrongs

ODD = ["", "VE", "\ud800", "\0", "é" * 40, "VE" + "0" * 33, "0" * 1_000_000, "{}", "../..", "VE" + "\u0660" * 32]


def _short(text: str) -> str:
    return ascii(text[:8])


def test_the_right_code_is_accepted_once(world: World) -> None:
    world.send()
    code = world.code()
    assert world.service().check(code, phone_number=PHONE).approved
    assert not world.service().check(code, phone_number=PHONE).approved


def test_the_number_of_a_code_is_not_parsed_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    service = world.service()
    service.send(PHONE, SendRequest())
    monkeypatch.setattr("otp_app.core.selector.spelling", lambda _: pytest.fail("it was parsed"))
    assert service.check(world.code(), phone_number=PHONE).approved


@pytest.mark.parametrize("given", ["+541123456789", "+54 9 11 2345-6789"])
def test_a_code_is_checked_by_any_spelling_of_its_number(world: World, given: str) -> None:
    service = world.service()
    service.send("+5491123456789", SendRequest())
    assert service.check(world.code(), phone_number=given).approved


def test_a_code_is_checked_by_its_id(world: World) -> None:
    sending = world.send()
    assert world.service().check(world.code(), verification_id=sending.verification_id).approved


@pytest.mark.parametrize("number", [PHONE, "+14155552672"])
def test_with_number_and_id_both_must_fit(world: World, number: str) -> None:
    sending = world.send()
    verdict = world.service().check(world.code(), phone_number=number, verification_id=sending.verification_id)
    assert verdict.approved is (number == PHONE)


def test_a_code_is_no_good_for_another_purpose_or_number(world: World) -> None:
    world.send()
    service, code = world.service(), world.code()
    assert service.check(code, phone_number=PHONE, purpose="payment").status is None
    assert service.check(code, phone_number="+14155552672").status is None
    assert service.check(code, phone_number=PHONE).attempts_left == 5


def test_a_purpose_that_is_named_beside_an_id_must_fit_too(world: World) -> None:
    """Else the code of a harmless purpose, shown with its id, would do for a payment."""
    sending = world.send(purpose="newsletter")
    verdict = world.service().check(world.code(), verification_id=sending.verification_id, purpose="payment")
    assert not verdict.approved


def test_five_attempts_are_looked_at_across_ways_of_asking_resends_and_restarts(world: World) -> None:
    sending = world.send()
    attempts = iter(wrongs(world.code()))
    assert world.service().check(next(attempts), phone_number=PHONE).attempts_left == 4
    assert world.service().check(next(attempts), verification_id=sending.verification_id).attempts_left == 3
    world.clock.forward(30)
    world.send()
    for left in (2, 1, 0):
        assert world.service().check(next(attempts), phone_number=PHONE).attempts_left == left
    assert world.service().check(world.code(), phone_number=PHONE).status == Status.MAX_ATTEMPTS_REACHED


@pytest.mark.parametrize(
    "attempt",
    ["", "123", "12345678901", "12a456", "123456\n", "-123456", "\u00b9" * 6, "\ud800", "1" * 1_000_000],
    ids=_short,
)
def test_what_cannot_be_a_code_spends_nothing(world: World, attempt: str) -> None:
    world.send()
    calls = len(world.store.calls)
    assert world.service().check(attempt, phone_number=PHONE).counted is False
    assert len(world.store.calls) == calls
    assert world.ledger().verifications[0].attempts == 0


@pytest.mark.parametrize("odd", ODD, ids=_short)
def test_an_odd_id_is_not_found(world: World, odd: str) -> None:
    service = world.service()
    assert service.check("123456", verification_id=odd).status is None
    for call in (service.status, service.cancel, lambda text: service.resend(text, SendRequest())):
        with pytest.raises(VerificationNotFound):
            call(odd)


def test_an_id_that_shares_its_ledger_but_not_its_nonce_is_not_found(world: World) -> None:
    world.send()
    other = world.ids.new_verification(world.ids.ledger(PHONE))
    assert world.ids.ledger_of(other) == world.ids.ledger(PHONE)
    assert world.service().check(world.code(), verification_id=other).status is None
    with pytest.raises(VerificationNotFound):
        world.service().status(other)


def test_without_number_and_id_there_is_nothing_to_check(world: World) -> None:
    assert world.service().check("123456").status is None


def test_a_number_that_is_not_in_use_has_nothing_to_check(world: World) -> None:
    assert world.service().check("123456", phone_number="+11111111111").status is None


def test_checks_are_reported_with_their_result(world: World) -> None:
    world.send()
    code = world.code()
    for attempt in (wrong(code), code, code):
        world.service().check(attempt, phone_number=PHONE)
    assert [e.status for e in world.events if isinstance(e, Checked)] == ["pending", "approved"]


def test_an_attempt_that_was_not_compared_is_reported(world: World) -> None:
    """With what it is for, if there is something: an ended verification, or none."""
    sent = world.send()
    world.service().check(world.code(), phone_number=PHONE)
    subject = sent.verification_id, sent.to, "login"
    nothing = NotChecked("", "", "")
    for attempt, id_, event in [("123456", sent.verification_id, NotChecked(*subject)), ("x", None, nothing),
                                ("123456", "VE" + "0" * 32, nothing)]:
        world.service().check(attempt, phone_number=None if id_ else PHONE, verification_id=id_)
        assert world.events[-1] == event


def test_a_verification_is_reported_when_it_starts(world: World) -> None:
    """Once, before its first message leaves."""
    sent = world.send()
    world.clock.forward(60)
    again = world.send()
    assert sent.verification_id == again.verification_id
    started = Started(sent.verification_id, sent.to, "login", "code")
    assert [event for event in world.events if isinstance(event, Started)] == world.events[:1] == [started]


def test_a_check_of_a_number_without_a_ledger_writes_nothing(world: World) -> None:
    """Strangers' attempts at numbers that never had a code leave no trace to grow."""
    world.service().check("123456", phone_number=PHONE)
    assert world.store.values == {}


# ---- status, cancel, tombstones


def test_the_status_tells_tries_and_life(world: World) -> None:
    sending = world.send()
    world.service().check(wrong(world.code()), phone_number=PHONE)
    world.clock.forward(100)
    report = world.service().status(sending.verification_id)
    assert (report.status, report.attempts_left, report.expires_in, report.to) == (
        Status.PENDING, 4, 200, "+1*******671",
    )  # fmt: skip


@pytest.mark.parametrize("end", [Status.APPROVED, Status.CANCELED, Status.EXPIRED, Status.MAX_ATTEMPTS_REACHED])
@pytest.mark.parametrize("risk", [False, True], ids=["no risk", "risk"])
def test_what_is_over_is_reported_for_an_hour_and_then_forgotten(world: World, end: Status, risk: bool) -> None:
    """However long the ledger itself lives (a wrong attempt keeps it for 30 days)."""
    sending = world.send()
    service, code = world.service(), world.code()
    if risk:
        service.check(wrong(code), phone_number=PHONE)
    if end == Status.EXPIRED:
        world.clock.forward(300)
    elif end == Status.CANCELED:
        service.cancel(sending.verification_id)
    else:
        for _ in range(5):
            service.check(code if end == Status.APPROVED else wrong(code), phone_number=PHONE)
    for wait in (0, 3599):
        world.clock.forward(wait)
        assert world.service().status(sending.verification_id).status == end
        assert world.service().check(code, verification_id=sending.verification_id).status == end
        assert world.service().check(code, phone_number=PHONE).status == end
    world.clock.forward(2)
    assert world.service().check(code, phone_number=PHONE).status is None
    with pytest.raises(VerificationNotFound):
        world.service().status(sending.verification_id)


def test_what_is_forgotten_cannot_be_canceled(world: World) -> None:
    """Status and cancel know the same verifications."""
    sending = world.send()
    world.service().check(wrong(world.code()), phone_number=PHONE)
    world.clock.forward(300 + HOUR)
    with pytest.raises(VerificationNotFound):
        world.service().cancel(sending.verification_id)


def test_a_cancel_is_reported_and_ends_the_code(world: World) -> None:
    sending = world.send()
    assert world.service().cancel(sending.verification_id).status == Status.CANCELED
    assert isinstance(world.events[-1], Canceled)
    assert not world.service().check(world.code(), phone_number=PHONE).approved
    with pytest.raises(NotPending):
        world.service().cancel(sending.verification_id)


def test_only_an_api_that_accepts_codes_again_does(world: World) -> None:
    """One that was used where codes are good once too, as when its operator changed the setting since."""
    world.send()
    again = world.service().with_profile(Policy(once_only=False), world.texts)
    assert world.service().check(world.code(), phone_number=PHONE).approved
    assert again.check(world.code(), phone_number=PHONE).approved
    assert world.service().check(world.code(), phone_number=PHONE).approved is False


def test_attempts_that_a_code_in_repeated_use_allows_count_as_spent(world: World) -> None:
    """Whichever API makes the next code: one of four digits that is good again makes the others longer."""
    again = world.service().with_profile(Policy(once_only=False, gaps=()), world.texts)
    again.send(PHONE, SendRequest(code="1111"))
    assert again.check("1111", phone_number=PHONE).approved
    world.clock.forward(30)
    world.send(purpose="payment")
    assert len(world.code()) == 8


def test_a_clock_that_is_set_forward_forgets_no_verification(world: World) -> None:
    """A read takes the stamps as a change does."""
    sending = world.send()
    world.service().cancel(sending.verification_id)
    world.clock.set(2 * HOUR)
    assert world.service().status(sending.verification_id).status == Status.CANCELED
