"""The bus at a real RabbitMQ: what is confirmed is there, what is not is said in time, and connections come back."""

import json
import time
from threading import Thread

import pytest
from pika.exceptions import ChannelClosedByBroker

from otp_app.bus.connecting import Broker
from otp_app.bus.errors import BusUnavailable
from otp_app.bus.letters import REQUESTS, ROUTES, Letter
from otp_app.bus.sign_ups import SignUps
from otp_app.core.errors import CountryNotAllowed
from otp_app.core.ledger import Origin
from otp_app.core.results import SendRequest
from tests.bus.working import bodies
from tests.faults.proxy import Proxy
from tests.running import free_port, wait_until

pytestmark = pytest.mark.slow
NUMBER = "+14155552671"
MOST = 3.0  # seconds until a request has its answer: two, and what a busy machine adds


def letter(number=1):
    return Letter.of(f"m{number}", time.time(), {"number": number})


def test_a_sign_up_asks_as_the_contract_says(rabbit, open_publisher):
    """The number, and nothing that opens anything; kept on the disk."""
    kept = []
    sign_ups = SignUps(open_publisher(rabbit.url()), frozenset({"US"}), {"+15005550006"}, time.time)
    sign_ups.ask("+1 415 555 2671", SendRequest(), lambda: kept.append(1))
    sign_ups.ask("+15005550006", SendRequest(authenticated=True, origin=Origin("connect", "shop")), lambda: None)
    with pytest.raises(CountryNotAllowed):
        sign_ups.ask("+442079460958", SendRequest(), lambda: kept.append(2))
    with rabbit.channel(rabbit.url()) as channel:
        _, properties, body = channel.basic_get(REQUESTS.queue)
    assert json.loads(body) == {"phone_number": NUMBER, "authenticated": False}
    assert (properties.content_type, properties.delivery_mode, kept) == ("application/json", 2, [1])
    assert properties.message_id
    assert abs(properties.timestamp - time.time()) < 60
    said = [(asked["authenticated"], asked.get("key")) for asked in bodies(rabbit, REQUESTS)]
    assert said == [(False, None), (True, "shop")]


def test_queues_of_another_kind_are_not_replaced(rabbit):
    """Declared without arguments, as others declare them; with the setting, of the kind for a cluster."""
    with Broker(rabbit.url()).channel() as channel:
        for queue, _ in ROUTES:
            channel.queue_declare(queue, durable=True)
    with pytest.raises(ChannelClosedByBroker, match="inequivalent arg"), Broker(rabbit.url(), quorum=True).channel():
        pass
    with rabbit.channel(rabbit.url()) as channel:
        for queue, _ in ROUTES:
            channel.queue_delete(queue)
    with Broker(rabbit.url(), quorum=True).channel() as channel:
        channel.queue_declare(REQUESTS.queue, durable=True, arguments={"x-queue-type": "quorum"})


def test_the_services_of_the_original_find_what_they_declare(rabbit):
    """Exchange, queues and bindings are theirs, without an argument; what they publish arrives, and needs no id."""
    with Broker(rabbit.url()).channel() as ours, rabbit.channel(rabbit.url()) as theirs:
        theirs.exchange_declare("verification", "direct", durable=True)
        for queue, key in {"otp_queue": "otp_routing_key", "auth_service_queue": "otp_to_auth"}.items():
            theirs.queue_declare(queue, durable=True)
            theirs.queue_bind(queue, "verification", key)
            theirs.basic_publish("verification", key, b'{"phone_number": "+14155552671"}')
            wait_until(lambda queue=queue: ours.queue_declare(queue, passive=True).method.message_count, "a message")


def test_many_threads_publish_over_one_connection(rabbit, open_publisher):
    """None of them in the way of another."""
    publisher = open_publisher(rabbit.url())
    publisher.ping()
    threads = [Thread(target=publisher.publish, args=(REQUESTS, letter(number))) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(body["number"] for body in bodies(rabbit, REQUESTS)) == list(range(50))


def test_a_message_without_a_queue_is_not_lost(rabbit, open_publisher):
    """Somebody deleted the queue: it is declared again, and the message is in it."""
    publisher = open_publisher(rabbit.url())
    publisher.ping()
    with rabbit.channel(rabbit.url()) as channel:
        channel.queue_delete(REQUESTS.queue)
    publisher.publish(REQUESTS, letter())
    assert bodies(rabbit, REQUESTS) == [{"number": 1}]


def test_a_broker_that_is_away_is_said_in_time(open_publisher):
    """After two seconds, and then at once."""
    publisher, begun = open_publisher(f"amqp://guest:guest@127.0.0.1:{free_port()}"), time.monotonic()
    with pytest.raises(BusUnavailable) as said:
        publisher.publish(REQUESTS, letter())
    assert time.monotonic() - begun < MOST
    assert said.value.retry_after
    begun = time.monotonic()
    with pytest.raises(BusUnavailable):
        publisher.ping()
    assert time.monotonic() - begun < 0.2


def test_a_partition_is_said_in_time(rabbit, open_publisher):
    """While nothing comes back, nothing is confirmed."""
    with Proxy(rabbit.port) as proxy:
        publisher = open_publisher(rabbit.url(port=proxy.port))
        publisher.ping()
        proxy.delay, begun = 3600.0, time.monotonic()
        with pytest.raises(BusUnavailable):
            publisher.publish(REQUESTS, letter())
        assert time.monotonic() - begun < MOST


def test_a_lost_confirmation_makes_a_copy_of_the_same_id(rabbit, open_publisher):
    """By which its reader knows it: the publisher cannot tell whether the broker has the message."""
    with Proxy(rabbit.port) as proxy:
        publisher, lost = open_publisher(rabbit.url(port=proxy.port)), [True]
        publisher.ping()
        proxy.cut_after_request = lambda data: b'{"number": 1}' in data and bool(lost) and lost.pop()
        publisher.publish(REQUESTS, letter())
    with rabbit.channel(rabbit.url()) as channel:
        got = iter(lambda: channel.basic_get(REQUESTS.queue), (None, None, None))
        assert [properties.message_id for _, properties, _ in got] == ["m1", "m1"]
