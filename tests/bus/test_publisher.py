"""What of a publisher needs no broker."""

from contextlib import closing, contextmanager
from types import SimpleNamespace

from otp_app.bus.publisher import Publisher


def test_a_publisher_begins_anew_whatever_stops_it():
    """A server whose thread has ended would publish nothing until it is started again."""
    faults = [TypeError]

    @contextmanager
    def channel():
        if faults:
            raise faults.pop()
        yield SimpleNamespace(queue_declare=lambda *_, **__: None)

    with closing(Publisher(SimpleNamespace(channel=channel))) as publisher:
        publisher.ping()
    assert faults == []
