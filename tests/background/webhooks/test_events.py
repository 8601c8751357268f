"""Which events there are, what they say, and that they come in order, signed, and at least once."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from otp_app.background.webhooks.caretaker import keep_small
from otp_app.background.webhooks.posting import Reply
from otp_app.core.delivery import Delivery, Outcome
from otp_app.core.errors import DeliveryRefused, StoreUnavailable
from otp_app.core.inbound_transitions import Finding, Incoming
from otp_app.core.instant import Instant
from otp_app.core.ledger import Ledger, Note, Status, Verification
from otp_app.core.ledger_json import decode, encode
from otp_app.core.phone import mask
from otp_app.core.policy import DAY, HOUR, Policy
from otp_app.core.results import SendRequest
from tests.background.webhooks.telling import AWAY, SECRET, TAKEN, FoundStore, JobsStore, Telling, is_signed
from tests.core.fakes import PHONE, UNKNOWN, FakeClock, World, refused, wrongs


@pytest.fixture(params=[FoundStore, JobsStore])
def telling(request: pytest.FixtureRequest) -> Telling:
    return Telling(policy=Policy(gaps=(), sends_per_hour=0, sends_per_day=0, keyed_reserve=0), stores=request.param)


def heard(telling: Telling) -> list[str]:
    telling.work()
    return telling.receiver.types()


def test_a_code_that_is_sent_and_right(telling: Telling) -> None:
    telling.world.send()
    telling.check(telling.world.code())
    assert heard(telling) == ["verification.created", "message.sent", "verification.approved"]


def test_what_became_of_a_message(telling: Telling) -> None:
    telling.world.send()
    for status in ("queued", "sent", "undelivered", "delivered", "read"):
        telling.report(status)
    assert heard(telling)[2:] == ["message.undelivered", "message.delivered", "message.read"]


@pytest.mark.parametrize("status", ["failed", "canceled"])
def test_a_message_that_the_provider_gave_up(telling: Telling, status: str) -> None:
    telling.world.send()
    telling.report(status, 63024)
    assert heard(telling)[2:] == ["message.failed"]


def test_a_message_from_the_user_is_an_approval_of_the_number_that_it_shows(telling: Telling) -> None:
    """Which is not known before; an event that waited meanwhile has it too."""
    for away in (False, True):
        begun = telling.world.service().inbound.begin(SendRequest())
        telling.receiver.always = AWAY if away else TAKEN
        telling.work()
        message = Incoming("whatsapp", f"whatsapp:{PHONE}", PHONE, f"SM{away}", begun.word)
        assert telling.world.service().inbound.take(message) == Finding.CONFIRMED
        telling.receiver.always = TAKEN
        telling.clock.forward(60)
        telling.work()
        told = [told for told in telling.receiver.taken.values()
                if told["data"]["verification_id"] == begun.view.verification.id]  # fmt: skip
        assert [one["type"] for one in told] == ["verification.created", "verification.approved"]
        assert [one["data"]["to"] for one in told] == ([mask(PHONE)] * 2 if away else ["", mask(PHONE)])


def test_a_refusal_is_a_failure_and_the_next_channel_is_told_of_too(telling: Telling) -> None:
    telling.world.channels[0].script = [refused()]
    telling.world.send()
    telling.work()
    told = [(told["type"], told["data"].get("message", {}).get("channel")) for told in telling.receiver.taken.values()]
    assert told[1:] == [("message.failed", "whatsapp"), ("message.sent", "sms")]


def test_an_outcome_that_is_not_known_is_no_event_until_a_receipt_tells_it(telling: Telling) -> None:
    telling.world.channels[0].script = [UNKNOWN]
    telling.world.send()
    assert heard(telling) == ["verification.created"]
    telling.report("delivered")
    assert heard(telling)[1:] == ["message.sent", "message.delivered"]


def test_a_verification_whose_messages_were_all_refused_is_forgotten_but_its_end_is_told(telling: Telling) -> None:
    for channel in telling.world.channels:
        channel.script = [refused()]
    with pytest.raises(DeliveryRefused):
        telling.world.send()
    telling.work()
    told = [(told["type"], told["data"].get("message", {}).get("channel")) for told in telling.receiver.taken.values()]
    assert told == [
        ("verification.created", None), ("message.failed", "whatsapp"), ("message.failed", "sms"),
        ("verification.canceled", None),
    ]  # fmt: skip
    assert (telling.world.ledger().verifications, telling.world.ledger().gone) == ((), ())


def test_the_ends_of_a_verification(telling: Telling) -> None:
    ids = [telling.world.send(purpose=purpose).verification_id for purpose in ("a", "b", "c", "d")]
    service, code = telling.world.service(), telling.world.messages()[2].code
    service.cancel(ids[0])
    service.approve(ids[1])
    for wrong, _ in zip(wrongs(code), range(5), strict=False):
        service.check(wrong, verification_id=ids[2])
    telling.wait(400)
    ends = {told["data"]["verification_id"]: told["type"] for told in telling.receiver.taken.values()}
    ended = ("canceled", "approved", "max_attempts_reached", "expired")
    assert ends == {id_: f"verification.{end}" for id_, end in zip(ids, ended, strict=True)}


def test_an_expiry_is_told_of_by_the_job_and_has_happened_at_the_end_of_the_code(telling: Telling) -> None:
    telling.world.send()
    begun = telling.clock.wall
    telling.wait(299)
    assert "verification.expired" not in telling.receiver.types()
    telling.wait(10)
    (*_, told) = telling.receiver.taken.values()
    assert told["type"] == "verification.expired"
    assert told["timestamp"] == "2027-01-15T08:05:00.000Z"
    assert begun == 1_800_000_000
    telling.wait(70)
    assert telling.jobs.next_in() is None


def test_a_resend_puts_the_expiry_off(telling: Telling) -> None:
    telling.world.send()
    telling.wait(200)
    telling.world.send()
    telling.wait(250)
    assert "verification.expired" not in telling.receiver.types()
    telling.wait(100)
    assert telling.receiver.types()[-1] == "verification.expired"


def test_what_an_event_says(telling: Telling) -> None:
    result = telling.world.send(tags={"order": "17"}, purpose="pay")
    telling.report("undelivered", 63024)
    telling.work()
    (*_, told) = telling.receiver.taken.values()
    send = telling.world.ledger().verifications[0].sends[0]
    assert told == {
        "type": "message.undelivered",
        "timestamp": "2027-01-15T08:00:00.000Z",
        "data": {
            "verification_id": result.verification_id,
            "number": 3,
            "to": "+1*******671",
            "purpose": "pay",
            "tags": {"order": "17"},
            "message": {
                "id": send.id,
                "channel": "whatsapp",
                "provider_id": send.provider_id,
                "reason": None,
                "error_code": 63024,
                "error_class": "recipient",
                "explanation": "sentence 63024",
            },
        },
    }


def test_no_event_and_no_record_of_events_has_a_code_or_a_whole_number(telling: Telling) -> None:
    telling.receiver.always = AWAY
    telling.world.send()
    telling.check(telling.world.code())
    telling.work()
    kept = [value for key, (value, _) in telling.world.store.values.items() if key.startswith("e:")]
    assert len(kept) == 1
    for text in (*kept, *(content for _, content in telling.receiver.posts)):
        assert telling.world.code().encode() not in text
        assert PHONE[1:].encode() not in text


def test_whole_numbers_are_told_where_the_operator_wants_them(telling: Telling) -> None:
    telling.whole = True
    telling.world.send()
    telling.work()
    assert {told["data"]["to"] for told in telling.receiver.taken.values()} == {PHONE}


def test_each_secret_signs(telling: Telling) -> None:
    """So a receiver may change from the old one to the new one whenever it likes."""
    telling.secrets = telling.receiver.secrets = (SECRET, b"another secret of 32 bytes here!")
    telling.world.send()
    telling.work()
    headers, content = telling.receiver.posts[0]
    assert not is_signed(b"a secret that nobody has agreed on", headers, content)
    assert len(headers["webhook-signature"].split(" ")) == 2


def test_half_of_a_character_in_a_providers_id_holds_up_no_event(telling: Telling) -> None:
    telling.receiver.answers = [AWAY]
    telling.world.channels[0].script = [Delivery(Outcome.SENT, "SM\ud83d")]
    telling.world.send()
    telling.wait(10)
    assert telling.receiver.types() == ["verification.created", "message.sent"]


def test_an_event_keeps_its_id_and_its_body_however_often_it_is_told(telling: Telling) -> None:
    result = telling.world.send()
    telling.receiver.answers = [AWAY, AWAY]
    telling.wait(60)
    first = [(headers, content) for headers, content in telling.receiver.posts if headers["webhook-id"].endswith("-1")]
    assert {headers["webhook-id"] for headers, _ in first} == {f"{result.verification_id}-1"}
    assert len({content for _, content in first}) == 1
    assert [int(headers["webhook-timestamp"]) for headers, _ in first] == [1_800_000_000, 1_800_000_001, 1_800_000_006]


def test_a_receiver_that_fails_for_an_hour_gets_everything_in_order(telling: Telling) -> None:
    telling.receiver.always = AWAY
    ids = []
    for number in range(20):
        phone = f"+1415555{2600 + number}"
        result = telling.world.send(phone)
        ids.append(result.verification_id)
        telling.tell()
        telling.clock.forward(7)
        telling.world.service().check(telling.world.code(), phone_number=phone)
        telling.wait(30)
    telling.wait(HOUR)
    assert telling.receiver.taken == {}
    telling.receiver.always = Reply(taken=True)
    telling.wait(2 * HOUR)
    assert [telling.receiver.numbers(id_) for id_ in ids] == [[1, 2, 3]] * 20
    assert telling.jobs.next_in() is None
    assert not [key for key in telling.world.store.values if key.startswith("e:") and telling.world.store.peek(key)]


def test_attempts_become_rare_and_end_after_a_day(telling: Telling) -> None:
    result = telling.world.send()
    telling.receiver.always = AWAY
    telling.wait(2 * DAY)
    times = [int(headers["webhook-timestamp"]) - 1_800_000_000 for headers, _ in telling.receiver.posts]
    assert times[:7] == [0, 1, 6, 36, 156, 756, 2556]
    assert all(later - earlier == HOUR for earlier, later in pairwise(times[6:]))
    assert times[-1] < DAY
    box = telling.box(result.verification_id)
    assert box
    assert not box.waiting
    assert [dead.kind for dead in box.dead] == ["verification.created", "message.sent", "verification.expired"]
    assert telling.jobs.next_in() is None


def test_what_is_new_waits_for_what_is_older(telling: Telling) -> None:
    result = telling.world.send()
    telling.receiver.always = AWAY
    telling.work()
    posts = len(telling.receiver.posts)
    telling.check(telling.world.code())
    telling.tell()
    assert len(telling.receiver.posts) == posts
    telling.receiver.always = Reply(taken=True)
    telling.wait(60)
    assert telling.receiver.numbers(result.verification_id) == [1, 2, 3]


@pytest.mark.parametrize(("asked", "waited"), [(0.0, 1), (90.0, 90), (10 * HOUR, HOUR)])
def test_a_receiver_may_ask_for_patience_up_to_an_hour(telling: Telling, asked: float, waited: float) -> None:
    telling.world.send()
    telling.receiver.answers = [Reply(taken=False, why="answered 503", retry_after=asked)]
    telling.wait(2 * HOUR)
    first, second, *_ = (int(headers["webhook-timestamp"]) for headers, _ in telling.receiver.posts)
    assert second - first == waited


def test_a_receiver_that_says_it_is_gone_is_asked_once_an_hour(telling: Telling, caplog: Any) -> None:
    """A mistake there must not cost the events of a day, and the operator hears of it."""
    telling.world.send()
    telling.receiver.answers = [Reply(taken=False, why="answered 410", gone=True)]
    telling.wait(2 * HOUR)
    first, second, *_ = (int(headers["webhook-timestamp"]) for headers, _ in telling.receiver.posts)
    assert second - first == HOUR
    assert "remove OTP_EVENTS_URL" in caplog.text


def test_only_the_newest_events_may_wait(telling: Telling) -> None:
    telling.receiver.always = AWAY
    ids = []
    for number in range(5):
        ids.append(telling.world.send(f"+1415555{2600 + number}").verification_id)
        telling.clock.forward(1)
        telling.tell()
    assert keep_small(telling.world.store, 10) == 0
    assert keep_small(telling.world.store, 4) == 6
    boxes = [telling.box(id_) for id_ in ids]
    assert [(len(box.waiting), box.dead_count) for box in boxes if box] == [(0, 2)] * 3 + [(2, 0)] * 2


def test_a_verification_that_owes_events_is_remembered_for_a_day(telling: Telling) -> None:
    """Others of the number come and go meanwhile, and their receiver was away with the server's queue."""
    world = telling.world
    first = world.send().verification_id
    for _ in range(10):
        telling.clock.forward(2 * HOUR)
        world.send()
        world.service().check(world.code(), phone_number=PHONE)
    ids = [v.id for v in world.ledger().verifications]
    assert first in ids
    telling.clock.forward(5 * HOUR)
    world.send()
    assert first not in [v.id for v in world.ledger().verifications]


def test_a_ledger_stays_small_with_notes_and_no_pending_verification_is_dropped_for_them(telling: Telling) -> None:
    world, last = telling.world, ""
    for _ in range(60):
        world.send(tags={"t": "x" * 200})
        world.service().check(world.code(), phone_number=PHONE)
        last = world.send(tags={"t": "x" * 200}).verification_id
    stored = world.store.peek(world.ids.ledger(PHONE))
    assert stored
    assert len(stored) <= 8192
    assert decode(stored).by_id(last)


def test_a_ledger_that_is_full_drops_first_what_owes_no_event() -> None:
    begun, tags = Instant(1_800_000_000.0, "b", 1.0), {"t": "x" * 200}
    ended = [
        Verification(f"VE{number}", "login", "k1", 6, begun, 300.0, status=Status.CANCELED, tags=tags)
        for number in range(40)
    ]
    owing = replace(ended[0], notes=(Note(1, "verification.canceled", 1_800_000_000.0),), noted=1)
    kept = [v.id for v in decode(encode(Ledger(PHONE, (owing, *ended[1:])))).verifications]
    assert "VE0" in kept
    assert "VE1" not in kept


def test_a_server_that_is_killed_after_it_took_a_job_is_followed_by_another_one(telling: Telling) -> None:
    telling.world.send()
    telling.receiver.always = AWAY
    telling.tell()
    telling.clock.forward(2)
    telling.tell, tell = lambda: None, telling.tell  # type: ignore[method-assign]
    with pytest.raises(AssertionError):
        telling.work()
    telling.tell = tell  # type: ignore[method-assign]
    telling.woken.clear()  # killed
    telling.receiver.always = Reply(taken=True)
    telling.wait(100)
    assert telling.receiver.types() == ["verification.created", "message.sent"]


def test_an_event_is_in_the_outbox_once_though_a_server_is_killed_before_it_cleared_the_note(telling: Telling) -> None:
    result = telling.world.send()
    telling.receiver.always = AWAY
    service = telling.world.service()
    service.notebook.clear = lambda *_: None  # type: ignore[method-assign]
    for _ in range(2):
        telling.deliverer(service).deliver(result.verification_id, is_due=True)
    box = telling.box(result.verification_id)
    assert box
    assert [event.number for event in box.waiting] == [1, 2]


def test_without_a_receiver_nothing_is_stored_for_it() -> None:
    world = World(clock=FakeClock(), stores=FoundStore)
    world.send()
    world.service().check(world.code(), phone_number=PHONE)
    stored = json.loads(world.store.values[world.ids.ledger(PHONE)][0])
    assert not {"notes", "noted"} & stored["verifications"][0].keys()


@pytest.mark.parametrize("telling", [FoundStore], indirect=True)
def test_a_change_whose_job_cannot_be_kept_is_not_made(telling: Telling) -> None:
    """Its event could be lost. The store is away then, and would not have taken the change either."""

    def put(*_: object) -> None:
        raise StoreUnavailable("away")

    telling.jobs.put = put
    with pytest.raises(StoreUnavailable):
        telling.world.send()
    assert telling.world.messages() == []


@pytest.mark.parametrize("telling", [JobsStore], indirect=True)
def test_a_store_that_can_puts_the_job_in_the_step_of_the_first_note_and_in_no_other(telling: Telling) -> None:
    telling.world.send()
    telling.check(next(iter(wrongs(telling.world.code()))))
    telling.check(telling.world.code())
    assert telling.world.store.calls.count("swap with jobs") == 1
    assert telling.jobs.next_in() is not None


def test_a_late_receipt_has_a_job_of_its_own(telling: Telling) -> None:
    """The one of the verification is done by then, and the server may be killed before it tells."""
    telling.world.send()
    telling.check(telling.world.code())
    telling.wait(400)
    assert telling.jobs.next_in() is None
    telling.report("read")
    telling.woken.clear()  # killed
    telling.wait(100)
    assert telling.receiver.types()[-1] == "message.read"


@pytest.mark.parametrize("step", [5.0, -5.0, HOUR, -HOUR])
def test_an_expiry_is_told_where_the_clock_was_set_meanwhile(step: float) -> None:
    telling = Telling()
    telling.world.send()
    telling.wait(10)
    telling.clock.set(step)
    telling.wait(2 * HOUR)
    assert telling.receiver.types()[-1] == "verification.expired"


def test_an_expiry_is_told_once_the_clock_is_right_again_after_a_reboot() -> None:
    """While it is behind, nobody knows how old the code is."""
    telling = Telling()
    telling.world.send()
    telling.wait(10)
    telling.clock.reboot()
    telling.clock.set(-HOUR)
    telling.wait(100)
    assert telling.receiver.types()[-1] == "message.sent"
    telling.clock.set(HOUR)
    telling.wait(2 * HOUR)
    assert telling.receiver.types()[-1] == "verification.expired"
