"""What becomes of a message: done once, tried again, or dead with its reason. No broker is needed here."""

import socket
import struct
from contextlib import contextmanager
from dataclasses import replace
from threading import Event, Thread
from types import SimpleNamespace

import pytest
from pika.exceptions import StreamLostError
from pika.frame import decode_frame
from pika.spec import FRAME_HEADER, BasicProperties

from otp_app.bus import connecting
from otp_app.bus import consumer as consuming
from otp_app.bus.connecting import Broker, letter_of
from otp_app.bus.letters import SENT, Letter
from otp_app.core.delivery import Delivery, Outcome, Reason
from otp_app.core.errors import StoreUnavailable
from tests.bus.desk import TTL, Desk


@pytest.fixture
def desk(site):
    return Desk(site)


def test_a_request_is_sent_and_told_without_its_code(desk):
    """Whoever reads the queue learns which number has a code, and which verification it is."""
    number = desk.site.number()
    assert desk.take(desk.letter(phone_number=number))
    (told,) = desk.posted(SENT.key)
    assert told == {
        "phone_number": number,
        "verification_id": told["verification_id"],
        "expires_at": int(desk.site.clock().wall + TTL),
    }
    verdict = desk.site.services.verifications.check(desk.site.code(), verification_id=told["verification_id"])
    assert verdict.approval.purpose == "signup"


def test_a_code_is_told_where_the_operator_says_so(open_site):
    """It is the code of the message; that of a test number is not told."""
    desk = Desk(open_site(otp_amqp_publish_code="1", otp_test_numbers="+15005550006=123456@2025-06-16"))
    desk.take(desk.letter(phone_number=desk.site.number()))
    desk.take(desk.letter("m2", phone_number="+15005550006"))
    real, test = desk.posted(SENT.key)
    assert real["otp"] == desk.site.code()
    assert "otp" not in test


@pytest.mark.parametrize("seconds", [0, 100])
def test_a_copy_is_told_again_and_not_sent_again(desk, seconds):
    """Whenever it comes: its id is known."""
    letter = desk.letter(phone_number=desk.site.number())
    assert desk.take(letter)
    desk.site.clock.advance(seconds)
    assert desk.take(letter)
    first, second = desk.posted(SENT.key)
    assert len(desk.site.channel.messages) == 1
    assert first == second
    (one, other) = [properties.message_id for _, properties, _ in desk.paper.posts]
    assert one == other == "m1"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "unreadable"), (b"{", "unreadable"), (b"[]", "unreadable"), (b"{}", "unreadable"),
        (b'{"phone_number": 4}', "unreadable"), (b"[" * 9000, "unreadable"), (b"\xff", "unreadable"),
        (b'{"phone_number": "123"}', "invalid_phone"),
    ],
)  # fmt: skip
def test_poison_is_put_aside(desk, body, reason):
    """The next message is handled, and nothing was sent."""
    assert desk.take(Letter("m1", 1_750_000_000, body))
    assert desk.reasons() == [reason]
    assert desk.site.channel.messages == []


def test_a_dead_letter_has_no_code(desk):
    """What a stranger wrote beside the number is left out."""
    desk.take(desk.letter(phone_number="123", otp="654321", name="Ann"))
    (dead,) = desk.posted("dead_letter")
    assert dead == {"phone_number": "123", "queue": "otp_queue", "message_id": "m1", "reason": "invalid_phone"}


def test_a_limit_of_the_number_holds(desk):
    """The second request for a number is refused, and says why."""
    number = desk.site.number()
    desk.take(desk.letter("m1", phone_number=number))
    desk.take(desk.letter("m2", phone_number=number))
    assert desk.reasons() == ["resend_too_soon"]


def test_a_request_that_waited_too_long_is_not_sent(desk):
    """Nobody waits for its code any more."""
    letter = desk.letter(phone_number=desk.site.number())
    desk.site.clock.advance(TTL + 1)
    desk.take(letter)
    assert (desk.reasons(), desk.site.channel.messages) == (["expired"], [])


def test_what_passes_is_tried_again(desk):
    """As long as its code would have lived."""
    refused = Delivery(Outcome.REFUSED, reason=Reason.UNREACHABLE)
    desk.site.channel.answers.extend([refused, refused])
    desk.paper.sleeping = desk.site.clock.advance
    desk.take(desk.letter(phone_number=desk.site.number()))
    assert len(desk.posted(SENT.key)) == 1
    desk.site.channel.answers.extend([refused] * (TTL + 10))
    late = desk.letter("m2", phone_number=desk.site.number())
    desk.take(late)
    assert desk.reasons() == ["expired"]
    desk.site.channel.answers.clear()
    desk.site.channel.answers.extend([refused] * (TTL + 10))
    desk.take(Letter("m3", late.at * 1000, late.body))
    assert desk.reasons() == ["expired", "expired"]


def test_a_time_that_is_far_ahead_is_told_to_nobody(desk):
    """It is one in milliseconds: the code has that of its message."""
    letter = desk.letter(phone_number=desk.site.number())
    desk.take(replace(letter, at=letter.at * 1000))
    assert [properties.timestamp for _, properties, _ in desk.paper.posts] == [letter.at]


HEADER = b"\x04sentT" + struct.pack(">Q", 1_750_000_000_000)
HEADERS = struct.pack(">HI", BasicProperties.FLAG_HEADERS, len(HEADER)) + HEADER
ID = struct.pack(">H", BasicProperties.FLAG_MESSAGE_ID) + b"\x02m\xff"


@pytest.mark.parametrize("properties", [HEADERS, ID])
def test_properties_that_cannot_be_read_cost_one_message(desk, properties):
    """Not the connection, over which the broker would hand it out again for ever, and not the thread."""
    said = struct.pack(">HHQ", 60, 0, 2) + properties
    _, frame = decode_frame(struct.pack(">BHI", FRAME_HEADER, 1, len(said)) + said + b"\xce")
    body = desk.letter(phone_number=desk.site.number()).body
    assert desk.take(letter_of(SimpleNamespace(redelivered=False), frame.properties, body))
    assert desk.reasons() == ["unreadable"]


def test_a_consumer_begins_anew_whatever_stops_it(desk, monkeypatch):
    """A worker whose threads have ended would do nothing until it is started again."""
    tries = []

    @contextmanager
    def broken():
        tries.append(1)
        if len(tries) == 2:
            desk.stopping.set()
        raise TypeError
        yield

    monkeypatch.setattr(consuming, "LAST_PAUSE", 0.0)
    desk.consumer._broker = SimpleNamespace(channel=broken)
    desk.consumer.run()
    assert len(tries) == 2


def test_what_needs_a_person_is_not_tried_again(desk):
    """A number that is none stays none."""
    desk.site.channel.answers.append(Delivery(Outcome.REFUSED, reason=Reason.BAD_NUMBER))
    desk.take(desk.letter(phone_number=desk.site.number()))
    assert desk.reasons() == ["delivery_refused"]


def test_a_consumer_that_stops_gives_back_what_it_did_not_do(desk):
    """Another one will get it."""
    def away(_, __):
        raise StoreUnavailable

    desk.consumer._handle = away
    desk.stopping.set()
    assert not desk.take(desk.letter(phone_number=desk.site.number()))
    assert desk.paper.posts == []


def test_a_defect_costs_one_message(desk):
    """And is no end of the consumer."""
    def broken(_, __):
        raise RuntimeError

    desk.consumer._handle = broken
    assert desk.take(desk.letter(phone_number=desk.site.number()))
    assert desk.reasons() == ["internal_error"]


def test_a_message_without_an_id_is_sent_once_at_most(desk):
    """Handed to a worker again, it may have been sent: nothing would tell."""
    number = desk.site.number()
    assert desk.take(Letter("", None, b'{"phone_number": "%s"}' % number.encode()))
    desk.take(Letter("", None, b'{"phone_number": "%s"}' % desk.site.number().encode(), again=True))
    assert (len(desk.site.channel.messages), desk.reasons()) == (1, ["redelivered_without_id"])


def test_a_channel_that_breaks_loses_nothing(desk):
    """What was sent and could not be told is told by whoever gets the message next."""
    letter = desk.letter(phone_number=desk.site.number())
    desk.paper.fault = StreamLostError()
    with pytest.raises(StreamLostError):
        desk.take(letter)
    desk.paper.fault = None
    assert desk.take(letter)
    assert (len(desk.posted(SENT.key)), len(desk.site.channel.messages)) == (1, 1)


def test_a_send_whose_worker_died_is_not_repeated(desk):
    """The message may have left: it is told as it was counted, once the dead worker's time is over."""
    letter, sends = desk.letter(phone_number=desk.site.number()), desk.consumer._handle
    real = sends._send

    def die(phone, request, note):
        def last(result):
            note(result)
            raise KeyboardInterrupt

        desk.site.services.verifications.send(phone, request, last)

    sends._send = die
    with pytest.raises(KeyboardInterrupt):
        desk.take(letter)
    sends._send, desk.paper.sleeping = real, desk.site.clock.advance
    assert desk.take(letter)
    assert (len(desk.posted(SENT.key)), len(desk.site.channel.messages)) == (1, 0)


# ---- connections


def test_a_broker_that_takes_connections_and_says_nothing_is_away(monkeypatch):
    """The time-out of its first words is a fault like the others."""
    monkeypatch.setattr(connecting, "TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        broker = Broker(f"amqp://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(connecting.FAULTS), broker.channel():
            pass


def test_nobody_waits_for_a_broker_that_does_not_say_goodbye(monkeypatch):
    """A worker must end in time."""
    answers = Event()
    channel = SimpleNamespace(
        exchange_declare=nothing, queue_declare=nothing, queue_bind=nothing, confirm_delivery=nothing
    )
    connection = SimpleNamespace(channel=lambda: channel, close=answers.wait)
    monkeypatch.setattr(connecting, "BlockingConnection", lambda _: connection)
    monkeypatch.setattr(connecting, "TIMEOUT", 0.1)
    waiting = Thread(target=open_and_close, args=(Broker("amqp://127.0.0.1"),), daemon=True)
    waiting.start()
    waiting.join(10)
    assert (waiting.is_alive(), answers.is_set()) == (False, False)
    answers.set()


def nothing(*_, **__):
    """What a step of the start says."""


def open_and_close(broker):
    with broker.channel():
        pass


@pytest.mark.parametrize(("said", "key"), [("shop", "shop"), (None, ""), ("with blanks", ""), ("k" * 41, ""), (4, "")])
def test_the_history_knows_the_key_that_a_sign_up_was_asked_for_with(open_site, tmp_path, said, key):
    """As far as the message names one."""
    desk = Desk(open_site(otp_history_url=f"sqlite:///{tmp_path}/history.db"))
    assert desk.take(desk.letter(phone_number=desk.site.number(), key=said))
    (told,) = desk.posted(SENT.key)
    origin = desk.site.services.verifications.status(told["verification_id"]).verification.origin
    assert (origin.api, origin.key) == ("worker", key)
