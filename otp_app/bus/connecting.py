"""The connection to the broker: exchange and queues are declared on it, and the broker confirms what it is given."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Any

from pika import BasicProperties, BlockingConnection, URLParameters, spec
from pika.adapters.utils.connection_workflow import AMQPConnectorException
from pika.exceptions import AMQPError, ChannelError

from otp_app.bus.letters import EXCHANGE, LONGEST_ID, ROUTES, Letter, Route

#: what a broker that is away, or does not do what it should, makes of any call
FAULTS = (AMQPError, ChannelError, AMQPConnectorException, OSError)  # the third: it takes connections and says nothing
TIMEOUT = 2.0  # seconds for each step of a connection's start
HEARTBEAT = 20  # seconds: longer than the longest send, during which nobody looks at the connection
FIRST_PAUSE, LAST_PAUSE = 0.1, 5.0  # seconds between two attempts to connect
LONGEST_WAIT = 0.2  # seconds until a thread without work looks whether it should end

logging.getLogger("pika").setLevel(logging.CRITICAL)  # its lines are of several attempts for each fault, ours of one


class _Properties(BasicProperties):  # type: ignore[misc]
    """The properties of a received message, as far as pika can read them.

    It would end the connection otherwise, and the broker would hand out the same message again, for ever: its headers
    may have a time in milliseconds, which pika takes for one after the year 9999.
    """

    are_read = True

    def decode(self, encoded: bytes, offset: int = 0) -> Any:
        """Read what can be read."""
        try:
            return super().decode(encoded, offset)
        except Exception:  # noqa: BLE001 - whatever its sender wrote
            self.are_read = False
            return self


spec.props[BasicProperties.INDEX] = _Properties  # where pika looks up what to read them with


def parameters(url: str) -> URLParameters:
    """Return what pika connects with. Raises ValueError, which shows no password."""
    if not url.startswith(("amqp://", "amqps://")):
        raise ValueError("write amqp://user:password@host:5672/%2F, or amqps://")
    try:
        found = URLParameters(url)
    except (ValueError, TypeError, LookupError, OSError):
        raise ValueError("write amqp://user:password@host:5672/%2F; options after ? are those of pika") from None
    found.heartbeat = HEARTBEAT
    found.connection_attempts = 1
    found.socket_timeout = found.stack_timeout = found.blocked_connection_timeout = TIMEOUT
    return found


def fault_of(url: str) -> str:
    """Return why the broker of a URL cannot be reached, "" where it can: a connection is opened and closed."""
    try:
        BlockingConnection(parameters(url)).close()
    except FAULTS as error:
        return reason_of(error)
    return ""


class Broker:
    """Where the broker is, and of which kind its queues are."""

    def __init__(self, url: str, *, quorum: bool = False) -> None:
        self._parameters = parameters(url)
        self._arguments = {"x-queue-type": "quorum"} if quorum else None

    @contextmanager
    def channel(self) -> Iterator[Any]:
        """Lend a channel of a new connection, for one thread. It raises FAULTS, and is of no use after any of them."""
        connection = BlockingConnection(self._parameters)
        try:
            channel = connection.channel()
            self._declare(channel)
            channel.confirm_delivery()
            yield channel
        finally:
            closing = Thread(target=_close, args=(connection,), daemon=True)
            closing.start()
            closing.join(TIMEOUT)  # a broker that says nothing would keep a worker from its end for two heartbeats

    def _declare(self, channel: Any) -> None:
        """An existing queue must be of the same kind: the broker refuses to change one."""
        channel.exchange_declare(EXCHANGE, "direct", durable=True)
        for queue, key in ROUTES:
            channel.queue_declare(queue, durable=True, arguments=self._arguments)
            channel.queue_bind(queue, EXCHANGE, key)


def _close(connection: Any) -> None:
    with suppress(*FAULTS):
        connection.close()


def publish(channel: Any, route: Route, letter: Letter) -> None:
    """Return once the broker has the message on its disk. Raises FAULTS: it may have it or not."""
    properties = BasicProperties(
        content_type="application/json", delivery_mode=2, message_id=letter.id, timestamp=letter.at
    )
    channel.basic_publish(EXCHANGE, route.key, letter.body, properties, mandatory=True)


def reason_of(error: Exception) -> str:
    """Return what the broker said, for the log."""
    return f"{type(error).__name__} {getattr(error, 'reply_text', '')}".rstrip()


def letter_of(method: Any, properties: Any, body: bytes) -> Letter:
    """Return the message that a channel received. One whose properties cannot be read is not read at all."""
    given = properties.message_id or ""
    are_read = properties.are_read and isinstance(given, str)  # pika leaves what is not UTF-8 as bytes
    said, letter_id = (body, given[:LONGEST_ID]) if are_read else (b"", "")
    return Letter(letter_id, properties.timestamp, said, method.redelivered)
