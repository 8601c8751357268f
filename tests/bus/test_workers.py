"""Workers at a real RabbitMQ while it, they, or the way between them breaks: nothing is lost, nothing is sent twice."""

import json
import os
import signal
from contextlib import ExitStack
from itertools import count, islice
from threading import Thread

import pytest

from otp_app.bus.letters import DEAD, EXCHANGE, REQUESTS, SENT
from tests.bus.working import Repeating, Worker, ask, bodies
from tests.faults.proxy import Proxy
from tests.history import History, check
from tests.phones import fresh_numbers
from tests.running import wait_until

pytestmark = pytest.mark.slow
LOOK = 0.1  # seconds between two looks into a queue, each of which is a connection


@pytest.fixture
def start(server, rabbit, tmp_path):
    """Call it to start a worker on the broker, a file and the stand-in for Twilio; all end with the test."""
    environment = server(start=False, OTP_AMQP_URL=rabbit.url()).environment
    with ExitStack() as running:

        def make(heartbeat=0, **given):
            worker = Worker(tmp_path, environment | given, heartbeat=heartbeat)
            running.callback(worker.stop)
            return worker

        yield make


def faults(history, fake_twilio, rabbit, *workers):
    """What the history checker has to say; no code may be in a log, or in a queue."""
    queues = {route.queue: json.dumps(bodies(rabbit, route)).encode() for route in (REQUESTS, SENT, DEAD)}
    return check(history.events, fake_twilio.posts, queues | {w.log_file.name: w.log().encode() for w in workers})


def told(rabbit, count):
    """The numbers of the codes that workers told, once there are so many."""
    wait_until(lambda: len(bodies(rabbit, SENT)) >= count, "a code that was told", 60, LOOK)
    return sorted(body["phone_number"] for body in bodies(rabbit, SENT))


def test_a_worker_killed_between_send_and_ack(rabbit, start, open_publisher, fake_twilio):
    """Another one gets the message, and cannot know whether it left: it is told, and not sent again."""
    history, number = History(), next(fresh_numbers())
    first = start(OTP_AMQP_CONSUMERS="1")
    fake_twilio.on_message = lambda _: first.kill()
    ask(open_publisher(rabbit.url()), number, history)
    wait_until(lambda: fake_twilio.posts, "the message", 30)
    fake_twilio.on_message = lambda _: None
    second = start(OTP_AMQP_CONSUMERS="1")
    assert told(rabbit, 1) == [number]
    assert faults(history, fake_twilio, rabbit, first, second) == []
    assert len(fake_twilio.posts) == 1
    assert bodies(rabbit, REQUESTS) == []


def test_a_worker_that_is_asked_to_end_finishes(rabbit, start, open_publisher, fake_twilio):
    """What it has begun is sent, told and acknowledged; the rest waits for another one. SIGHUP asks for no end."""
    history, numbers, ended = History(), fresh_numbers(), []
    worker = start(OTP_AMQP_CONSUMERS="1")
    os.kill(worker.pid, signal.SIGHUP)
    stopping = Thread(target=lambda: ended.append(worker.stop()))
    fake_twilio.on_message = lambda _: stopping.start()
    publisher = open_publisher(rabbit.url())
    first, second = next(numbers), next(numbers)
    for number in (first, second):
        ask(publisher, number, history)
    wait_until(lambda: ended, "the worker's end", 30)
    assert (ended, told(rabbit, 1)) == ([0], [first])
    assert [body["phone_number"] for body in bodies(rabbit, REQUESTS)] == [second]
    assert faults(history, fake_twilio, rabbit, worker) == []


def test_a_broker_that_is_killed_and_started_again(rabbit, start, open_publisher, fake_twilio):
    """Publisher and workers find the way back. An accepted sign-up has one message, another one at most."""
    history, numbers, publisher = History(), fresh_numbers(), open_publisher(rabbit.url())
    fake_twilio.latency = 0.2
    worker = start()
    load = Thread(target=lambda: [ask(publisher, next(numbers), history) for _ in range(40)])
    load.start()
    wait_until(lambda: len(history.events) > 15, "some sign-ups", 60)
    rabbit.kill()
    rabbit.start()
    load.join()
    wait_until(lambda: ask(publisher, next(numbers), history) or history.events[-1].status == 200, "the publisher", 30)
    accepted = {event.number for event in history.events if event.status == 200}
    wait_until(lambda: accepted <= {post.number for post in fake_twilio.posts}, "all codes", 60)
    wait_until(lambda: accepted <= set(told(rabbit, 1)), "all of them told", 60, LOOK)
    assert bodies(rabbit, REQUESTS) == []
    assert faults(history, fake_twilio, rabbit, worker) == []
    assert {event.status for event in history.events} == {200, 503}


def test_a_way_to_the_broker_that_breaks_again_and_again(rabbit, start, open_publisher, fake_twilio):
    """Confirmations and acknowledgements are lost, so messages come again: told again, and not sent again."""
    history, numbers, pieces = History(), fresh_numbers(), count(1)
    with Proxy(rabbit.port) as proxy:
        proxy.cut_after_request = lambda data: b"otp_to_auth" in data and next(pieces) % 3 == 0
        worker = start(OTP_AMQP_URL=rabbit.url(port=proxy.port), OTP_RESEND_GAPS="")
        publisher = open_publisher(rabbit.url())
        asked = [next(numbers) for _ in range(20)]
        for number in asked:
            ask(publisher, number, history)
        wait_until(lambda: set(asked) <= set(told(rabbit, 1)) and not bodies(rabbit, REQUESTS), "all told", 60, LOOK)
        assert worker.stop() == 0
    assert next(pieces) > len(asked) + 1
    assert len(fake_twilio.posts) == len(asked)
    assert faults(history, fake_twilio, rabbit, worker) == []


def test_a_broker_that_falls_silent_between_send_and_ack(rabbit, start, open_publisher, fake_twilio):
    """Its worker gives the connection up by itself; whoever gets the message then tells it, and does not send it."""
    history, number = History(), next(fresh_numbers())
    with Proxy(rabbit.port) as proxy:
        fake_twilio.on_message = lambda _: setattr(proxy, "delay", 3600.0)
        cut_off = start(heartbeat=1, OTP_AMQP_URL=rabbit.url(port=proxy.port), OTP_AMQP_CONSUMERS="1")
        ask(open_publisher(rabbit.url()), number, history)
        assert told(rabbit, 1) == [number]
        other = start(OTP_RESEND_GAPS="")
        assert told(rabbit, 2) == [number, number]
    assert len(fake_twilio.posts) == 1
    assert bodies(rabbit, REQUESTS) == []
    assert faults(history, fake_twilio, rabbit, cut_off, other) == []


POISON = [b"", b"{", b"[]", b"\xff", b"[" * 9000, b'{"phone_number": 4}', b'{"phone_number": "' + b"1" * 9000 + b'"}']


def test_poison_and_copies_among_requests(rabbit, start, open_publisher, fake_twilio):
    """What cannot be read is put aside, a copy sends nothing, and the worker goes on."""
    history, publisher, worker = History(), open_publisher(rabbit.url()), start(OTP_RESEND_GAPS="")
    asked = list(islice(fresh_numbers(), 2 * len(POISON)))
    publisher.ping()  # queues are there, which is not sure as soon as a worker has begun: what has no queue is dropped
    with rabbit.channel(rabbit.url()) as channel:
        for body, number, again in zip(POISON, asked[::2], asked[1::2], strict=True):
            channel.basic_publish(EXCHANGE, REQUESTS.key, body)
            ask(publisher, number, history)
            ask(Repeating(publisher, 3), again, history)
    wait_until(lambda: len(bodies(rabbit, DEAD)) >= len(POISON), "all that is poison", 60, LOOK)
    assert set(told(rabbit, 4 * len(POISON))) == set(asked)
    assert [dead["reason"] for dead in bodies(rabbit, DEAD)] == ["unreadable"] * len(POISON)
    assert sorted(post.number for post in fake_twilio.posts) == sorted(asked)
    assert faults(history, fake_twilio, rabbit, worker) == []
