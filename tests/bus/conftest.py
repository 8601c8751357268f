"""The broker, which tests share one after another: each finds empty queues."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from otp_app.bus.connecting import Broker
from otp_app.bus.letters import EXCHANGE, ROUTES
from otp_app.bus.publisher import Publisher
from tests.conftest import absent
from tests.rabbit import Rabbit, is_here


@pytest.fixture(scope="session")
def rabbit_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rabbit]:
    """A RabbitMQ of these tests alone."""
    if not is_here():
        absent("rabbitmq-server")
    server = Rabbit(tmp_path_factory.mktemp("rabbit"))
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def rabbit(rabbit_server: Rabbit) -> Rabbit:
    """That broker, without exchange and queues."""
    with rabbit_server.channel(rabbit_server.url()) as channel:
        channel.exchange_delete(EXCHANGE)
        for queue, _ in ROUTES:
            channel.queue_delete(queue)
    return rabbit_server


@pytest.fixture
def open_publisher() -> Iterator[Callable[[str], Publisher]]:
    """Call it with a URL to get a publisher that is closed with the test."""
    opened: list[Publisher] = []

    def make(url: str) -> Publisher:
        opened.append(Publisher(Broker(url)))
        return opened[-1]

    yield make
    for publisher in opened:
        with closing(publisher):
            pass


