"""A notification is sent once, by the first channel that takes it, and its record says what became of it."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from otp_app.core.codes import FixedCode
from otp_app.core.delivery import Delivery, Outcome, Reason
from otp_app.core.errors import (
    BadVariables,
    CountryNotAllowed,
    HoldsCode,
    IdempotencyMismatch,
    InvalidPhone,
    KeyLimitReached,
    NotificationNotFound,
    OtpError,
    RecipientStopped,
    StoreUnavailable,
    TooManyNotifications,
    UnknownChannel,
    UnknownTemplate,
)
from otp_app.core.follow_transitions import PATIENCE
from otp_app.core.idempotency import Key
from otp_app.core.notification import KEPT, LIFE
from otp_app.core.notification_templates import Template
from otp_app.core.policy import DAY, HOUR
from otp_app.core.queueing import Request
from otp_app.core.receipts import Receipt, Status
from otp_app.core.reminders import Reminders
from tests.core.fakes import PHONE, UNKNOWN, refused
from tests.core.notifying import AFTER, FRAUD, LEASE, STOP, Explaining, Notifying

OTHER = "+14155552672"
TEXT, CONTENT = ("sms", "Your order A1 is on its way."), ("whatsapp", "HX" + "1" * 32)


@pytest.fixture
def notifying() -> Notifying:
    return Notifying()


def one(*names: str, **how: Any) -> Notifying:
    return Notifying(*names or ("sms",), **how)


# ---- what is sent


def test_it_is_queued_and_then_sent_by_the_first_channel(notifying: Notifying) -> None:
    sent = notifying.send()
    assert (notifying.view(sent).status, notifying.messages()) == ("queued", [])
    notifying.wait()
    assert (notifying.view(sent).status, notifying.messages()) == ("sent", [CONTENT])
    (message,) = notifying.world.messages()
    assert (message.code, message.verification_id, message.to) == ("", sent, PHONE)
    assert message.content
    assert message.content.variables == {"1": "A1"}
    assert 0 < message.ttl <= LIFE


def test_the_language_chooses_the_text_and_the_approved_template(notifying: Notifying) -> None:
    notifying.send(locale="es-MX")
    notifying.send(locale="es", channel="sms")
    notifying.send(locale="fr", channel="sms")
    notifying.wait()
    assert notifying.messages() == [("whatsapp", "HX" + "2" * 32), ("sms", "Tu pedido A1 está en camino."), TEXT]


def test_channels_without_anything_to_say_are_left_out(notifying: Notifying) -> None:
    notifying.send(template="text", variables={"what": "Hello"})
    notifying.send(template="approved")
    notifying.wait()
    assert notifying.messages() == [("whatsapp", "HX" + "3" * 32), ("sms", "Hello")]


def test_the_route_of_a_country_holds(notifying: Notifying) -> None:
    notifying.world.routes = {"US": ["sms", "whatsapp"]}
    notifying.send()
    notifying.wait()
    assert notifying.messages() == [TEXT]


def test_a_test_number_gets_no_message() -> None:
    notifying = one()
    test = "+15005550100"
    notifying.world.test_numbers = {test: FixedCode("424242", notifying.world.clock.wall + DAY)}
    sent = notifying.send(test)
    notifying.wait()
    assert (notifying.view(sent).status, notifying.messages()) == ("sent", [])


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ({"template": "other"}, UnknownTemplate), ({"variables": {}}, BadVariables),
        ({"variables": {"number": "1", "more": "2"}}, BadVariables), ({"variables": {"number": " "}}, BadVariables),
        ({"variables": {"number": "a\nb"}}, BadVariables), ({"variables": {"number": "x" * 257}}, BadVariables),
        ({"phone": "+1415555267"}, InvalidPhone), ({"phone": "+447911123456"}, CountryNotAllowed),
        ({"channel": "fax"}, UnknownChannel), ({"template": "approved", "channel": "sms"}, UnknownChannel),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_sent_is_refused_and_leaves_nothing(
    notifying: Notifying, request_: dict[str, Any], error: type[OtpError]
) -> None:
    notifying.world.countries = frozenset({"US"})
    with pytest.raises(error):
        notifying.send(**request_, key="k1")
    assert notifying.world.store.values == {}
    assert notifying.jobs.next_in() is None


# ---- limits


def test_a_number_has_so_many_a_day(notifying: Notifying) -> None:
    notifying.per_number = 3
    for _ in range(3):
        notifying.send()
        notifying.world.clock.forward(HOUR)
    with pytest.raises(TooManyNotifications) as limit:
        notifying.send()
    assert limit.value.retry_after == pytest.approx(DAY - 3 * HOUR, abs=1)
    notifying.send(OTHER)
    notifying.world.clock.forward(limit.value.retry_after or 0)
    notifying.send()


def test_codes_and_notifications_do_not_count_for_each_other(notifying: Notifying) -> None:
    notifying.per_number = 1
    notifying.send()
    notifying.world.send()
    with pytest.raises(TooManyNotifications):
        notifying.send()


def test_a_key_has_so_many_a_day_and_refused_ones_do_not_count(notifying: Notifying) -> None:
    notifying.per_key, notifying.per_number = 2, 1
    notifying.send()
    for _ in range(3):
        with pytest.raises(TooManyNotifications):
            notifying.send()
    notifying.send(OTHER)
    with pytest.raises(KeyLimitReached) as limit:
        notifying.send("+14155552673")
    notifying.world.clock.forward(limit.value.retry_after or 0)
    notifying.send("+14155552673")


def test_a_batch_above_the_limit_of_the_key_queues_nothing(notifying: Notifying) -> None:
    notifying.per_key = 2
    requests = [Request(f"+1415555267{n}", "shipped", {"number": "A1"}) for n in range(3)]
    with pytest.raises(KeyLimitReached):
        notifying.queue().send_all(requests, "key:shop")
    notifying.wait()
    assert notifying.messages() == []
    assert len(notifying.queue().send_all(requests[:2], "key:shop")) == 2


def test_a_batch_has_its_results_in_order(notifying: Notifying) -> None:
    """A bad number costs nobody else anything."""
    numbers = [f"+1415555{n:04}" if n % 3 else "+1" for n in range(2000, 2030)]
    requests = [Request(number, "shipped", {"number": number[-4:]}) for number in numbers]
    answers = notifying.queue().send_all(requests, "key:shop")
    assert [isinstance(answer, InvalidPhone) for answer in answers] == [number == "+1" for number in numbers]
    notifying.wait()
    sent = {message.to: message.content.variables["1"] for message in notifying.world.messages() if message.content}
    assert sent == {number: number[-4:] for number in numbers if number != "+1"}
    found = [notifying.record(a.record.id).phone for a in answers if not isinstance(a, OtpError)]
    assert found == [number for number in numbers if number != "+1"]


# ---- idempotency keys


def test_a_repeated_key_gets_the_same_notification(notifying: Notifying) -> None:
    """Counted once, before it was sent, after, and for as long as the key is kept."""
    first = notifying.send(key="k1")
    assert notifying.send(key="k1") == first
    notifying.wait()
    notifying.wait(DAY - 10)
    assert notifying.send(key="k1") == first
    notifying.wait()
    assert notifying.messages() == [CONTENT]
    assert len(notifying.world.ledger().notified) == 1


def test_a_key_that_is_used_again_after_its_day_sends_nothing_while_its_notification_is_there() -> None:
    """An id is made of the key and the request alone: after a crash nothing else says what was queued before."""
    notifying = one()
    first = notifying.send(key="k1")
    notifying.wait()
    notifying.wait(DAY + 1)
    assert notifying.send(key="k1") == first
    notifying.wait()
    assert len(notifying.messages()) == 1


def test_a_key_is_for_one_request(notifying: Notifying) -> None:
    notifying.send(key="k1")
    with pytest.raises(IdempotencyMismatch):
        notifying.send(OTHER, key="k1")


def test_a_refusal_frees_the_key(notifying: Notifying) -> None:
    notifying.world.service().opt_outs.stop(PHONE)
    with pytest.raises(RecipientStopped):
        notifying.send(key="k1")
    notifying.send(OTHER, key="k1")


def test_a_batch_that_is_repeated_after_a_crash_in_its_middle_queues_the_rest(notifying: Notifying) -> None:
    requests = [Request(f"+1415555267{n}", "shipped", {"number": "A1"}) for n in range(6)]
    key, done = Key("key:shop", "k1", "batch"), 0

    def die(verb: str, _: int) -> None:
        nonlocal done
        done += verb == "swap"
        if done == 9:
            raise SystemExit

    notifying.world.store.before = die
    with pytest.raises(SystemExit):
        notifying.queue().send_all(requests, "key:shop", key)
    notifying.wait(LEASE)
    assert 0 < len(notifying.messages()) < 6
    answers = notifying.queue().send_all(requests, "key:shop", key)
    notifying.wait()
    ids = {answer.record.id for answer in answers if not isinstance(answer, OtpError)}
    assert len(ids) == 6
    assert sorted(m.to for m in notifying.world.messages()) == [request.phone_number for request in requests]


# ---- STOP


def test_a_stopped_number_gets_none_until_it_starts_again(notifying: Notifying) -> None:
    opt_outs = notifying.world.service().opt_outs
    opt_outs.stop(PHONE)
    with pytest.raises(RecipientStopped):
        notifying.send()
    notifying.world.send()
    opt_outs.start(PHONE)
    sent = notifying.send()
    notifying.wait()
    assert notifying.view(sent).status == "sent"


def test_a_country_that_is_not_served_any_more_gets_none_that_wait(notifying: Notifying) -> None:
    """Whoever narrows OTP_COUNTRIES wants no message to leave for the others, however long it has waited."""
    sent = notifying.send()
    notifying.world.countries = frozenset({"IN"})
    notifying.wait()
    assert (notifying.view(sent).status, notifying.messages()) == ("stopped", [])


def test_a_stop_that_comes_before_the_message_leaves_is_honoured(notifying: Notifying) -> None:
    sent = notifying.send()
    notifying.world.service().opt_outs.stop(PHONE)
    notifying.wait()
    assert (notifying.view(sent).status, notifying.messages()) == ("stopped", [])
    assert notifying.record(sent).variables == {}


@pytest.mark.parametrize("by_receipt", [False, True])
def test_a_provider_that_says_so_stops_a_number(by_receipt: bool, notifying: Notifying) -> None:
    """No other channel follows, and no later notification is sent."""
    if not by_receipt:
        notifying.channel("whatsapp").script = [Delivery(Outcome.REFUSED, reason=Reason.OPTED_OUT, provider_code=STOP)]
    sent = notifying.send()
    notifying.wait()
    if by_receipt:
        notifying.report(sent, "undelivered", STOP)
        notifying.wait()
    assert (notifying.view(sent).status, len(notifying.messages())) == ("stopped", 1)
    with pytest.raises(RecipientStopped):
        notifying.send()


def test_a_repeated_receipt_does_not_undo_a_start(notifying: Notifying) -> None:
    sent = notifying.send()
    notifying.wait()
    notifying.report(sent, "undelivered", STOP)
    notifying.world.service().opt_outs.start(PHONE)
    notifying.report(sent, "undelivered", STOP)
    assert not notifying.world.service().opt_outs.is_stopped(PHONE)


# ---- never a code


def test_a_live_code_is_refused_and_counts(notifying: Notifying) -> None:
    """In any writing; once it is used it is a number like any other."""
    notifying.world.send()
    code = notifying.world.code()
    spaced, wide = f"{code[:3]} {code[3:]}", "".join(chr(0xFF10 + int(digit)) for digit in code)
    for written in (code, f"No. {spaced}!", f"{code[:2]}-{code[2:]}", wide, f"{code[:3]}\u200b{code[3:]}"):
        with pytest.raises(HoldsCode):
            notifying.send(variables={"number": written})
    assert len(notifying.world.ledger().notified) == 5
    notifying.send(variables={"number": f"1{code}"})
    assert notifying.world.service().check(code, phone_number=PHONE).approved
    notifying.send(variables={"number": code})


def test_asking_finds_no_code(notifying: Notifying) -> None:
    """More groups than five of its length are refused unseen, and each request counts against the day's limit."""
    notifying.world.send()
    code = notifying.world.code()
    others = [f"{(int(code) + n) % 10**6:06}" for n in range(1, 7)]
    with pytest.raises(HoldsCode):
        notifying.send(variables={"number": ", ".join(others)})
    notifying.send(variables={"number": ", ".join(others[:5])})
    for n in range(8):
        notifying.send(variables={"number": f"{(int(code) + 100 + n) % 10**6:06}"})
    with pytest.raises(TooManyNotifications):
        notifying.send(variables={"number": code})
    notifying.send(OTHER, variables={"number": ", ".join(others)})


def test_two_variables_make_no_code_together() -> None:
    notifying = one()
    notifying.templates["two"] = Template("{a}{b}")
    notifying.world.send()
    code = notifying.world.code()
    with pytest.raises(HoldsCode):
        notifying.send(template="two", variables={"b": code[3:], "a": code[:3]})


# ---- refusals


@pytest.mark.parametrize("reason", [Reason.BAD_NUMBER, Reason.ACCOUNT, Reason.BLOCKED, Reason.FAILED])
def test_a_refusal_that_stays_has_the_next_channel_used_at_once(reason: Reason, notifying: Notifying) -> None:
    notifying.channel("whatsapp").script = [refused(reason)]
    sent = notifying.send()
    notifying.wait()
    assert (notifying.view(sent).status, notifying.messages()) == ("sent", [CONTENT, TEXT])


def test_what_no_channel_takes_has_failed(notifying: Notifying) -> None:
    for channel in notifying.world.channels:
        channel.always = refused(Reason.BAD_NUMBER)
    sent = notifying.send()
    notifying.wait()
    assert notifying.view(sent).status == "failed"
    assert [send.reason for send in notifying.record(sent).sends] == ["bad_number"] * 2
    assert notifying.jobs.next_in() is None


@pytest.mark.parametrize("reason", [Reason.THROTTLED, Reason.AUTH, Reason.UNREACHABLE])
def test_a_refusal_that_passes_is_tried_again_on_its_channel(reason: Reason, notifying: Notifying) -> None:
    """Not before the provider's own time."""
    notifying.channel("whatsapp").script = [Delivery(Outcome.REFUSED, reason=reason, retry_after=60.0), refused(reason)]
    sent = notifying.send()
    notifying.wait()
    assert notifying.view(sent).status == "queued"
    notifying.wait(59)
    assert len(notifying.messages()) == 1
    notifying.wait(1)
    assert len(notifying.messages()) == 2
    notifying.wait(15)
    assert notifying.view(sent).status == "sent"
    assert notifying.messages() == [CONTENT] * 3
    assert len({message.send_id for message in notifying.world.messages()}) == 3


def test_it_is_tried_for_an_hour_and_then_has_failed() -> None:
    notifying = one()
    notifying.channel("sms").always = refused(Reason.UNREACHABLE)
    sent = notifying.send()
    for _ in range(200):
        notifying.wait(30)
    assert notifying.view(sent).status == "failed"
    first, *_, last = (send.at for send in notifying.record(sent).sends)
    assert HOUR - 310 < last - first < HOUR
    assert 10 < len(notifying.messages()) < 30
    assert notifying.jobs.next_in() is None


# ---- receipts, and the channel that follows


def test_it_is_followed_by_the_next_channel_once_it_is_given_up(notifying: Notifying) -> None:
    sent = notifying.send()
    notifying.wait()
    assert notifying.report(sent, "undelivered", 63024)
    assert notifying.view(sent).status == "undelivered"
    notifying.wait()
    assert (notifying.view(sent).status, notifying.messages()) == ("sent", [CONTENT, TEXT])
    notifying.report(sent, "delivered")
    assert notifying.view(sent).status == "delivered"
    notifying.report(sent, "read", number=0)
    assert notifying.view(sent).status == "read"


def test_where_no_other_channel_helps_none_follows(notifying: Notifying) -> None:
    sent = notifying.send()
    notifying.wait()
    notifying.report(sent, "failed", FRAUD)
    notifying.wait()
    assert (notifying.view(sent).status, len(notifying.messages())) == ("failed", 1)


def test_silence_is_followed_where_that_is_set() -> None:
    notifying = Notifying(after=AFTER)
    sent = notifying.send()
    notifying.wait()
    notifying.wait(AFTER - 2)
    assert len(notifying.messages()) == 1
    notifying.wait(2)
    assert notifying.messages() == [CONTENT, TEXT]
    arrived = notifying.send()
    notifying.wait()
    notifying.report(arrived, "delivered")
    notifying.wait(AFTER)
    assert len(notifying.messages()) == 3
    assert notifying.view(sent).status == "sent"


SET = pytest.mark.parametrize("step", [-HOUR, -3, 20, HOUR])


@SET
def test_setting_the_clock_ends_no_silence(step: float) -> None:
    notifying = Notifying(after=AFTER)
    notifying.send()
    notifying.wait()
    notifying.wait(AFTER - 10)
    notifying.world.clock.set(step)
    notifying.work()
    notifying.wait(9)
    assert notifying.messages() == [CONTENT]
    notifying.wait(AFTER)
    assert notifying.messages() == [CONTENT, TEXT]


@SET
def test_setting_the_clock_leaves_the_time_of_the_next_try_as_it_is(step: float) -> None:
    notifying = one()
    notifying.channel("sms").script = [Delivery(Outcome.REFUSED, reason=Reason.THROTTLED, retry_after=60.0)]
    sent = notifying.send()
    notifying.wait()
    notifying.world.clock.set(step)
    notifying.wait(59)
    assert len(notifying.messages()) == 1
    notifying.wait(4)
    assert (notifying.view(sent).status, len(notifying.messages())) == ("sent", 2)


def test_a_receipt_of_no_message_is_not_known(notifying: Notifying) -> None:
    sent = notifying.send()
    assert not notifying.server().receive(_receipt(sent))
    assert not notifying.server().receive(_receipt("NT" + "0" * 32))
    assert not notifying.server().receive(_receipt("n:"))


def _receipt(notification_id: str) -> Receipt:
    return Receipt(notification_id, "VL" + "0" * 32, "SM1", Status.DELIVERED)


def test_a_code_that_did_not_arrive_does_not_wait_for_notifications(notifying: Notifying) -> None:
    """However many are due before it."""
    for n in range(20):
        notifying.send(f"+1415555{n:04}")
    notifying.world.clock.forward(60)
    Reminders(notifying.jobs.put).of_death(_receipt("VE" + "0" * 32))
    (job,) = notifying.jobs.take(LEASE, 1)
    assert job.id.startswith("dead:")


# ---- outcomes that nobody knows


def test_an_unknown_outcome_is_not_sent_again(notifying: Notifying) -> None:
    notifying.channel("whatsapp").script = [UNKNOWN]
    sent = notifying.send()
    notifying.wait()
    for _ in range(5):
        notifying.wait(PATIENCE)
    assert (notifying.view(sent).status, len(notifying.messages())) == ("unknown", 1)
    notifying.report(sent, "delivered")
    assert notifying.view(sent).status == "delivered"


def test_a_server_that_dies_while_its_provider_answers_leaves_it_unknown(notifying: Notifying) -> None:
    notifying.channel("whatsapp").during = _die
    sent = notifying.send()
    with pytest.raises(SystemExit):
        notifying.wait()
    notifying.wait(LEASE - 1)
    assert notifying.view(sent).status == "queued"
    notifying.wait(5)
    notifying.wait(PATIENCE)
    assert (notifying.view(sent).status, len(notifying.messages())) == ("unknown", 1)


@pytest.mark.parametrize("receipts", [False, True])
def test_what_is_unknown_is_noted_so_and_forgotten_where_nothing_can_follow(receipts: bool) -> None:
    """The other channel is for what certainly did not leave."""
    notifying = Notifying(receipts=receipts)
    notifying.channel("whatsapp").during = _die
    sent = notifying.send()
    with pytest.raises(SystemExit):
        notifying.wait()
    notifying.wait(LEASE + PATIENCE)
    notifying.wait(PATIENCE)
    assert [send.state for send in notifying.record(sent).sends] == ["unknown"]
    assert bool(notifying.record(sent).variables) == receipts
    notifying.wait(LIFE)
    assert (notifying.record(sent).variables, notifying.jobs.next_in()) == ({}, None)
    assert len(notifying.messages()) == 1


def _die(_: object) -> None:
    raise SystemExit


# ---- receipts that are faster than the provider's answer


def test_a_failure_that_overtakes_the_answer_is_followed_after_it(notifying: Notifying) -> None:
    """Until then the answer may be a refusal, after which the next channel follows anyway."""
    seen = []

    def report(_: object) -> None:
        notifying.report(sent, "undelivered", 63024)
        seen.append(notifying.server().work(json.dumps([sent, notifying.world.clock.wall, None]).encode()))
        seen.append(len(notifying.messages()))

    notifying.channel("whatsapp").during = report
    sent = notifying.send()
    notifying.wait()
    notifying.wait()
    assert seen == [0.5, 1]
    assert notifying.messages() == [CONTENT, TEXT]


def test_what_has_arrived_has_arrived_whatever_the_provider_answers_later(notifying: Notifying) -> None:
    def report(_: object) -> None:
        notifying.report(sent, "delivered")

    notifying.channel("whatsapp").during = report
    notifying.channel("whatsapp").script = [refused(Reason.BAD_NUMBER)]
    sent = notifying.send()
    notifying.wait()
    assert (notifying.view(sent).status, notifying.messages()) == ("delivered", [CONTENT])
    assert notifying.record(sent).sends[0].state == "sent"


def test_what_was_canceled_is_not_followed() -> None:
    """Somebody wanted that."""
    notifying = Notifying(after=AFTER)
    sent = notifying.send()
    notifying.wait()
    notifying.report(sent, "canceled")
    notifying.wait(AFTER)
    assert (notifying.view(sent).status, notifying.messages()) == ("failed", [CONTENT])


def test_a_server_that_dies_before_it_notes_a_receipt_has_its_job_note_it(notifying: Notifying) -> None:
    sent = notifying.send()
    notifying.wait()

    def die(verb: str, _: int) -> None:
        if verb == "swap":
            raise SystemExit

    notifying.world.store.before = die
    with pytest.raises(SystemExit):
        notifying.report(sent, "undelivered", 63024)
    notifying.world.store.before = lambda *_: None
    notifying.wait()
    assert notifying.messages() == [CONTENT, TEXT]
    assert notifying.record(sent).sends[0].receipts[0].code == 63024


def test_a_receipt_that_comes_as_its_job_is_put_off_is_not_forgotten(notifying: Notifying) -> None:
    """The runner puts a job again with the seconds that it was told before the receipt."""
    sent = notifying.send()
    notifying.world.clock.forward(1)
    (job,) = notifying.jobs.take(LEASE, 10)
    again = notifying.server().work(job.payload)
    assert again
    notifying.report(sent, "undelivered", 63024)
    notifying.jobs.put(job.id, job.payload, again)
    notifying.wait()
    assert notifying.messages() == [CONTENT, TEXT]


def test_a_batch_needs_no_thread_but_its_own(notifying: Notifying, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has none left, a part of the batch would be sent and the answer be that it failed."""

    def refuse(_: object) -> None:
        raise RuntimeError("can't start new thread")

    requests = [Request(f"+1415555{n}", "shipped", {"number": "A1"}) for n in range(2671, 2701)]
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        answers = notifying.queue().send_all(requests, "key:shop", Key("key:shop", "k", "batch"))
    assert [answer.status for answer in answers if not isinstance(answer, OtpError)] == ["queued"] * 30


def test_two_requests_with_one_key_at_once_are_one(notifying: Notifying) -> None:
    """And count once, for the number and for the key."""
    notifying.per_key, others = 2, []

    def ask(verb: str, _: int) -> None:
        if verb == "add" and not others:
            others.append("")
            others[0] = notifying.send(key="k1")

    notifying.world.store.before = ask
    assert notifying.send(key="k1") == others[0]
    notifying.send(OTHER)
    assert len(notifying.world.ledger().notified) == 1
    notifying.wait()
    assert notifying.messages() == [CONTENT] * 2


# ---- what is kept, and for how long


def test_what_it_says_is_erased_once_no_message_can_follow() -> None:
    alone, followed = one(receipts=False), Notifying()
    sent = alone.send()
    assert b"A1" in alone.world.store.peek(f"m:{sent}")
    alone.wait()
    assert b"A1" not in alone.world.store.peek(f"m:{sent}")
    sent = followed.send()
    followed.wait()
    assert followed.record(sent).variables == {"number": "A1"}
    followed.wait(LIFE)
    assert followed.record(sent).variables == {}
    assert (followed.jobs.next_in(), followed.view(sent).status) == (None, "sent")


def test_it_can_be_read_for_two_days_after_its_end() -> None:
    notifying = one(receipts=False)
    sent = notifying.send()
    notifying.wait()
    notifying.world.clock.forward(KEPT - 10)
    assert notifying.view(sent).status == "sent"
    notifying.world.clock.forward(20)
    with pytest.raises(NotificationNotFound):
        notifying.view(sent)


def test_a_job_waits_for_its_notification_and_ends_where_there_is_none(notifying: Notifying) -> None:
    """It is put first: a request that is slow in between loses nothing."""
    payload = json.dumps(["NT" + "0" * 32, notifying.world.clock.wall, None]).encode()
    assert notifying.server().work(payload) is not None
    ahead = json.dumps(["NT" + "0" * 32, notifying.world.clock.wall + 3, None]).encode()
    assert notifying.server().work(ahead) is not None
    notifying.world.clock.forward(61)
    assert notifying.server().work(payload) is None


def test_a_template_that_only_another_server_knows_is_left_to_it(notifying: Notifying) -> None:
    sent, templates = notifying.send(), notifying.templates
    notifying.templates = {}
    notifying.wait(60)
    assert (notifying.view(sent).status, notifying.messages()) == ("queued", [])
    notifying.templates = templates
    notifying.wait(20)
    assert notifying.view(sent).status == "sent"
    lost = notifying.send()
    notifying.templates = {}
    for _ in range(300):
        notifying.wait(15)
    assert (notifying.view(lost).status, notifying.record(lost).reason) == ("failed", "no_template")


def test_the_longest_values_leave_room_for_an_hour_of_attempts() -> None:
    """A store takes 8 KiB; quotes take two bytes each there."""
    notifying = one()
    names = [f"v{n}" for n in range(9)]
    notifying.templates["long"] = Template(" ".join(f"{{{name}}}" for name in names[:6]), approved=None)
    notifying.templates["too long"] = Template(" ".join(f"{{{name}}}" for name in names))
    with pytest.raises(BadVariables):
        notifying.send(template="too long", variables=dict.fromkeys(names, '"' * 256))
    sent = notifying.send(template="long", variables=dict.fromkeys(names[:6], '"' * 256))
    notifying.channel("sms").always = refused(Reason.UNREACHABLE)
    for _ in range(110):
        notifying.wait(30)
        assert len(notifying.world.store.peek(f"m:{sent}") or b"") <= 8192
    assert len(notifying.record(sent).sends) > 10


def test_what_cannot_be_sent_any_more_says_why(notifying: Notifying) -> None:
    """No server worked for half a day, or its channels are others now."""
    late, without = notifying.send(), ""
    notifying.wait(LIFE + 1)
    assert (notifying.view(late).status, notifying.record(late).reason) == ("failed", "expired")
    without = notifying.send()
    notifying.world.channels = (Explaining("other", takes_templates=True),)
    notifying.wait()
    assert (notifying.view(without).status, notifying.record(without).reason) == ("failed", "no_channel")
    assert notifying.messages() == []


def test_a_record_that_cannot_be_read_is_a_fault_of_the_store(notifying: Notifying) -> None:
    sent = notifying.send()
    notifying.world.store.values[f"m:{sent}"] = (b"x", 9e9)
    with pytest.raises(StoreUnavailable):
        notifying.view(sent)
