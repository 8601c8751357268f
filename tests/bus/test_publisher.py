"""What of a publisher needs no broker."""

import threading
from contextlib import closing, contextmanager
from types import SimpleNamespace

import pytest

from otp_app.bus.publisher import Publisher
from otp_app.core.errors import OtpError


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


def test_a_publisher_begins_once_the_system_has_a_thread(monkeypatch):
    def refuse(_):
        raise RuntimeError("can't start new thread")

    @contextmanager
    def channel():
        yield SimpleNamespace(queue_declare=lambda *_, **__: None)

    with closing(Publisher(SimpleNamespace(channel=channel))) as publisher:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            with pytest.raises(OtpError) as refused:
                publisher.ping()
        publisher.ping()
    assert refused.value.code == "bus_unavailable"
