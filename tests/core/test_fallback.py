"""The next channel after a message that did not arrive: the same code, once, and only where it helps."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress

import pytest

from otp_app.core.codes import FixedCode
from otp_app.core.delivery import Delivery, Message, Outcome, Reason
from otp_app.core.errors import DeliveryRefused, StoreUnavailable, TooSoon
from otp_app.core.events import Undelivered
from otp_app.core.fallback import SOON
from otp_app.core.follow_transitions import PATIENCE
from otp_app.core.jobs import MAX_PAYLOAD
from otp_app.core.languages import PLAIN
from otp_app.core.ledger_json import decode, encode
from otp_app.core.policy import Policy
from otp_app.core.receipts import Receipt, Status
from otp_app.core.results import SendRequest
from otp_app.core.service import VerificationService
from otp_app.core.texts import Texts
from tests.core.fakes import PHONE, SENT, UNKNOWN, World, refused, wrong
from tests.core.falling import AFTER, FRAUD, Falling

DEAD = pytest.mark.parametrize("status", ["undelivered", "failed"])


@pytest.fixture
def falling() -> Falling:
    return Falling()


def channels(falling: Falling) -> list[str]:
    return [send.channel for send in falling.sends()]


@DEAD
def test_a_dead_message_is_followed_by_the_next_channel_with_the_same_code(falling: Falling, status: str) -> None:
    falling.world.send()
    assert falling.report(status, 63024)
    falling.work()
    (_, first), (channel, second) = falling.texts()
    assert (channel, second) == ("sms", first)
    assert [send.state for send in falling.sends()] == ["sent", "sent"]
    assert falling.check(first)


def test_it_counts_as_a_send_does(falling: Falling) -> None:
    falling.world.send()
    falling.world.clock.forward(10)
    falling.report("undelivered")
    falling.work()
    ledger, now = falling.world.ledger(), falling.world.clock.wall
    assert ledger.sent == (now - 10, now)
    assert (ledger.last_send, ledger.streak, ledger.verifications[0].messages) == (now, 2, 2)
    assert falling.world.service().status(ledger.verifications[0].id).expires_in == 300


def test_the_chain_goes_on_to_the_last_channel_and_ends_there() -> None:
    falling = Falling("whatsapp", "sms", "other")
    falling.world.send()
    for _ in range(4):
        falling.report("undelivered")
        falling.work()
    assert channels(falling) == ["whatsapp", "sms", "other"]
    assert len({code for _, code in falling.texts()}) == 1


def test_a_channel_that_refuses_is_followed_by_the_rest_of_the_route() -> None:
    falling = Falling("whatsapp", "sms", "other")
    falling.channel("sms").script = [refused()]
    falling.world.send()
    falling.report("undelivered")
    falling.work()
    assert [(send.channel, send.state) for send in falling.sends()][1:] == [("sms", "refused"), ("other", "sent")]
    assert len(falling.world.ledger().sent) == 2


def test_a_refused_step_hands_its_route_on() -> None:
    """WhatsApp refuses at once, SMS dies later."""
    falling = Falling("whatsapp", "sms", "other")
    falling.channel("whatsapp").script = [refused()]
    falling.world.send()
    falling.report("undelivered")
    falling.work()
    assert channels(falling) == ["whatsapp", "sms", "other"]


def test_the_text_is_in_the_language_of_the_send_and_of_its_api(falling: Falling) -> None:
    texts = Texts(by_locale={"es": "Código {code}"})

    def mine(server: VerificationService) -> VerificationService:
        return server.with_profile(falling.world.policy, texts, "mine")

    mine(falling.world.service()).send(PHONE, SendRequest(locale="es-MX"))
    falling.report("undelivered")
    server = falling.world.service()
    assert falling.work(server) == 1  # it does not serve that API: another server may
    assert channels(falling) == ["whatsapp"]
    mine(server)
    falling.world.clock.forward(5)
    falling.work(server)
    assert falling.channel("sms").messages[0].text.startswith("Código ")


def test_the_text_is_in_the_language_of_the_country_by_the_next_channel_too() -> None:
    number, falling = "+4915123456789", Falling(texts=Texts(built_in=PLAIN))
    falling.world.send(number)
    verification = falling.world.ledger(number).verifications[0]
    receipt = Receipt(verification.id, verification.sends[0].id, SENT.provider_id, Status.FAILED)
    falling.world.service().receive(receipt)
    falling.work()
    texts = [falling.channel(name).messages[0].text for name in ("whatsapp", "sms")]
    assert texts == [f"Ihr Code lautet: {falling.world.code()}"] * 2


@pytest.mark.parametrize("again", [{}, {"app_hash": "another+1/2"}])
def test_an_app_gets_the_messages_that_follow_too(again: dict[str, str]) -> None:
    """Those of the next channel, and those of a resend that names none; WhatsApp's are not for apps."""
    falling = Falling(texts=Texts(origin="shop.example"))
    falling.world.send(app_hash="FA+9qCX9VSu")
    falling.world.clock.forward(31)
    falling.world.send(**again)
    falling.report("undelivered")
    falling.work()
    code, app_hash = falling.world.code(), again.get("app_hash", "FA+9qCX9VSu")
    whatsapp, sms = (falling.channel(name).messages for name in ("whatsapp", "sms"))
    assert [message.text for message in whatsapp] == [f"Your OTP is: {code}\n\n@shop.example #{code}"] * 2
    assert [message.text for message in sms] == [f"Your OTP is: {code}\n\n{app_hash}"]


# ---- where nothing follows


def approve(falling: Falling) -> None:
    assert falling.check(falling.world.code())


def cancel(falling: Falling) -> None:
    falling.world.service().cancel(phone_number=PHONE)


def expire(falling: Falling) -> None:
    falling.world.clock.forward(301)


def exhaust(falling: Falling) -> None:
    for _ in range(5):
        falling.check(wrong(falling.world.code()))


def resend(falling: Falling) -> None:
    falling.world.clock.forward(31)
    falling.world.send()


def arrive(falling: Falling) -> None:
    falling.report("delivered", send=falling.sends()[0])


@pytest.mark.parametrize("end", [approve, cancel, expire, exhaust, resend, arrive])
@pytest.mark.parametrize("silent", [False, True])
def test_nothing_follows_once_somebody_has_acted(
    falling: Falling, end: Callable[[Falling], None], silent: bool
) -> None:
    """Between the job and what it would do."""
    falling.world.send()
    send = falling.sends()[0]
    if not silent:
        falling.report("undelivered", send=send)
    end(falling)
    before = len(falling.world.messages())
    falling.world.clock.forward(0 if not silent else AFTER)
    job = json.dumps([falling.world.ledger().verifications[0].id, send.id]).encode()
    falling.world.service().handlers["silent"](job) if silent else falling.work()
    assert len(falling.world.messages()) == before


@pytest.mark.parametrize(("status", "code"), [("undelivered", FRAUD), ("canceled", 0), ("delivered", 0), ("sent", 0)])
def test_nothing_follows_where_no_other_channel_helps(falling: Falling, status: str, code: int) -> None:
    falling.world.send()
    falling.report(status, code)
    assert code or falling.jobs.next_in() == AFTER  # no job for what is no failure
    falling.work()
    assert channels(falling) == ["whatsapp"]


def test_nothing_is_kept_nor_put_where_nothing_may_follow() -> None:
    """A caller who named a channel, one channel only, or no address for receipts."""
    named, one, off, test = Falling(), Falling("sms"), Falling(), Falling()
    off.world.reminders = None
    test.world.test_numbers = {PHONE: FixedCode("123456", test.world.clock.wall + 100)}
    for falling, request in ((named, {"channel": "whatsapp"}), (one, {}), (off, {}), (test, {})):
        falling.world.send(locale="es", **request)
        falling.report("undelivered")
        assert falling.jobs.next_in() is None
        stored = encode(falling.world.ledger())
        assert not [name for name in (b"route", b"locale", b"profile") if name in stored]


def test_an_api_without_a_name_has_no_later_channel(falling: Falling) -> None:
    falling.world.service().with_profile(Policy(), Texts()).send(PHONE, SendRequest())
    assert falling.jobs.next_in() is None


@pytest.mark.parametrize("policy", [{"sends_per_hour": 1}, {"sends_per_day": 1}, {"sends_per_verification": 1}])
def test_the_caps_hold_and_the_gap_does_not_count(policy: dict[str, int]) -> None:
    falling = Falling(policy=Policy(**policy))
    falling.world.send(authenticated=True)
    falling.report("undelivered")
    falling.work()
    assert channels(falling) == ["whatsapp"]


def test_a_number_that_has_refused_the_next_channel_is_left_alone(falling: Falling) -> None:
    falling.channel("sms").script = [refused(Reason.BAD_NUMBER)]
    with pytest.raises(DeliveryRefused):
        falling.world.send(channel="sms")
    falling.world.clock.forward(31)
    falling.world.send()
    falling.report("undelivered")
    falling.work()
    assert channels(falling) == ["whatsapp"]


def test_nothing_follows_with_too_little_life_for_it(falling: Falling) -> None:
    falling.world.policy = Policy(ttl=600)
    falling.world.send()
    falling.world.clock.forward(541)
    falling.report("undelivered")
    falling.work()
    assert channels(falling) == ["whatsapp"]


# ---- exactly once


def test_repeated_jobs_and_receipts_send_once(falling: Falling) -> None:
    falling.world.send()
    send = falling.sends()[0]
    for status in ("undelivered", "failed", "undelivered"):
        falling.report(status, send=send)
        falling.work()
    assert channels(falling) == ["whatsapp", "sms"]


def test_the_job_may_come_before_the_receipt_is_stored(falling: Falling) -> None:
    """A server that was killed in between: the job has the receipt, and tells of it."""
    falling.world.send()
    store = falling.world.store

    def fail(verb: str, index: int) -> None:
        if verb == "swap":
            raise StoreUnavailable

    store.before = fail
    with pytest.raises(StoreUnavailable):
        falling.report("undelivered", 63024)
    store.before = lambda verb, index: None
    falling.work()
    assert channels(falling) == ["whatsapp", "sms"]
    assert [event.provider_code for event in falling.world.events if isinstance(event, Undelivered)] == [63024]


def test_while_the_provider_may_still_answer_the_job_waits(falling: Falling) -> None:
    """The thread that has the message may itself use the next channel."""

    def overtaken(message: Message) -> None:
        falling.report("undelivered")
        falling.work()
        assert channels(falling) == ["whatsapp"]

    falling.channel("whatsapp").during = overtaken
    falling.channel("whatsapp").script = [refused(Reason.FAILED)]
    falling.world.send()
    assert channels(falling) == ["whatsapp", "sms"]
    falling.wait(SOON)
    assert channels(falling) == ["whatsapp", "sms"]


@DEAD
@pytest.mark.parametrize("answer", [SENT, UNKNOWN])
def test_a_receipt_that_overtakes_the_providers_answer_is_followed(
    falling: Falling, status: str, answer: Delivery
) -> None:
    """Even where that answer says nothing: the receipt is clear."""

    def overtaken(message: Message) -> None:
        falling.report(status)
        falling.work()
        assert channels(falling) == ["whatsapp"]

    falling.channel("whatsapp").during = overtaken
    falling.channel("whatsapp").script = [answer]
    falling.world.send()
    falling.wait(SOON)
    assert channels(falling) == ["whatsapp", "sms"]
    falling.wait(AFTER)
    assert len(falling.channel("sms").messages) == 1


@pytest.mark.parametrize("answer", [SENT, UNKNOWN, refused(Reason.FAILED)])
def test_after_its_deadline_the_thread_that_hangs_is_too_late(falling: Falling, answer: Delivery) -> None:
    """Whatever its provider answers then, there is no third message."""

    def hang(message: Message) -> None:
        falling.report("undelivered")
        falling.wait(PATIENCE)
        assert channels(falling) == ["whatsapp", "sms"]

    falling.channel("whatsapp").during = hang
    falling.channel("whatsapp").script = [answer]
    with suppress(DeliveryRefused):
        falling.world.send()
    falling.wait(AFTER)
    assert channels(falling) == ["whatsapp", "sms"]


def test_a_server_that_is_killed_before_the_message_leaves_sends_it_never(falling: Falling) -> None:
    """Nobody can know whether it left."""

    class Killed(BaseException):
        pass

    def die(message: Message) -> None:
        raise Killed

    falling.world.send()
    falling.report("undelivered")
    falling.channel("sms").during = die
    with pytest.raises(Killed):
        falling.work()
    falling.wait(60)
    assert [(send.channel, send.state) for send in falling.sends()] == [("whatsapp", "sent"), ("sms", "pending")]
    assert len(falling.channel("sms").messages) == 1


def test_a_code_of_the_first_message_that_is_late_works(falling: Falling) -> None:
    falling.world.send()
    falling.report("undelivered")
    falling.work()
    falling.report("delivered", send=falling.sends()[0])
    assert falling.check(falling.channel("whatsapp").messages[0].code)


# ---- silence


@pytest.mark.parametrize("before", [[], ["sent"], ["queued", "sent"]])
def test_silence_is_followed_once(falling: Falling, before: list[str]) -> None:
    falling.world.send()
    for status in before:
        falling.report(status)
    falling.wait(AFTER - 1)
    assert channels(falling) == ["whatsapp"]
    falling.wait(1)
    falling.wait(600)
    assert channels(falling) == ["whatsapp", "sms"]
    assert len({code for _, code in falling.texts()}) == 1


@pytest.mark.parametrize("step", [-3600, -3, 20, 3600])
def test_setting_the_clock_ends_no_silence(falling: Falling, step: float) -> None:
    """The store gives its job out by its clock, so early; or at once, where that was set back."""
    falling.world.send()
    falling.wait(AFTER - 10)
    falling.world.clock.set(step)
    falling.work()
    falling.wait(9)
    assert channels(falling) == ["whatsapp"]
    falling.wait(AFTER)
    assert channels(falling) == ["whatsapp", "sms"]


def test_the_next_channel_may_be_silent_too() -> None:
    falling = Falling("whatsapp", "sms", "other")
    falling.world.send()
    falling.wait(AFTER)
    falling.wait(AFTER)
    assert channels(falling) == ["whatsapp", "sms", "other"]


@pytest.mark.parametrize("status", ["delivered", "read", "canceled"])
def test_a_message_with_a_last_word_is_not_silent(falling: Falling, status: str) -> None:
    falling.world.send()
    falling.report(status)
    falling.wait(AFTER)
    assert channels(falling) == ["whatsapp"]


def test_an_outcome_that_is_not_known_is_not_silence(falling: Falling) -> None:
    falling.channel("whatsapp").script = [UNKNOWN]
    falling.world.send()
    falling.wait(AFTER)
    falling.wait(600)
    assert channels(falling) == ["whatsapp"]


def test_without_a_time_or_reports_of_the_channel_nobody_waits_for_silence() -> None:
    never, deaf = Falling(after=0.0), Falling()
    deaf.world.reminders = type(deaf.world.reminders)(deaf.jobs.put, after=AFTER, reporting={"sms"})
    for falling in (never, deaf):
        falling.world.send()
        assert falling.jobs.next_in() is None


def test_a_message_leaves_although_its_job_cannot_be_kept(falling: Falling, caplog: pytest.LogCaptureFixture) -> None:
    def put(*_: object) -> None:
        raise StoreUnavailable

    falling.world.reminders = type(falling.world.reminders)(put, after=AFTER, reporting={"whatsapp"})
    assert falling.world.send().outcome == Outcome.SENT
    assert "no other channel will follow" in caplog.text


def test_a_rejected_send_puts_no_job(falling: Falling) -> None:
    """Or anybody could fill the store."""
    falling.world.send()
    falling.wait(1)
    waiting = falling.jobs.next_in()
    with pytest.raises(TooSoon):
        falling.world.send()
    assert falling.jobs.next_in() == waiting


# ---- order


def test_a_resend_begins_with_a_channel_that_has_not_died(falling: Falling) -> None:
    """The dead one is the last resort, and its death is no route."""
    falling.world.policy = Policy(sends_per_hour=0, sends_per_day=0)
    falling.world.send()
    falling.report("undelivered", FRAUD)
    falling.world.clock.forward(60)
    assert falling.world.send().channel == "sms"
    falling.report("undelivered")
    falling.work()
    assert channels(falling) == ["whatsapp", "sms"]
    falling.world.clock.forward(120)
    falling.channel("whatsapp").script = [refused()]
    assert falling.world.send().channel == "sms"


@pytest.mark.parametrize("silent", [False, True])
def test_nothing_follows_to_a_country_that_is_not_served_any_more(falling: Falling, silent: bool) -> None:
    """The message was due before OTP_COUNTRIES was shortened; the code that is there works."""
    falling.world.send()
    falling.world.countries = frozenset({"IN"})
    if silent:
        falling.world.clock.forward(AFTER + 1)
    else:
        falling.report("undelivered")
    falling.work()
    ((channel, code),) = falling.texts()
    assert channel == "whatsapp"
    assert falling.check(code)


def test_a_country_may_have_its_own_order() -> None:
    world = World(channels=(Falling().channel("whatsapp"), Falling().channel("sms")))
    world.routes = {"IN": ["sms", "whatsapp"], "DE": ["sms"]}
    assert [world.send(phone).channel for phone in ("+919876543210", "+4915123456789", PHONE)] == [
        "sms", "sms", "whatsapp",
    ]  # fmt: skip
    world.clock.forward(31)
    assert world.send("+4915123456789", channel="whatsapp").channel == "whatsapp"


def test_jobs_are_small_and_what_a_send_keeps_is_stored() -> None:
    falling = Falling("whatsapp", "sms", "other")
    falling.world.send(locale="x" * 100)
    falling.report("undelivered", 10**9 - 1, falling.sends()[0])
    assert all(len(job.payload) <= MAX_PAYLOAD and len(job.id) <= 100 for job in falling.jobs.take(1, 9))
    assert decode(encode(falling.world.ledger())) == falling.world.ledger()
    assert falling.sends()[0].route == ("sms", "other")


def test_a_receipt_of_nobody_is_not_known_and_puts_no_job(falling: Falling) -> None:
    falling.world.send()
    verification = falling.world.ledger().verifications[0]
    for receipt in (Receipt("VE1", "VL1", "SM1", Status.FAILED), Receipt(verification.id, "VL1", "SM1", Status.FAILED)):
        assert not falling.world.service().receive(receipt)
    assert falling.jobs.next_in() == AFTER
