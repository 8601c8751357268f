"""A host of several addresses: the first that answers, in the time for them all."""

import socket
from contextlib import closing

import pytest

from otp_app.connections.tcp import dial


class Clock:
    """Stands still until somebody sleeps."""

    now = 1000.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def dead(monkeypatch):
    """Call it with the share of its time that each of five addresses uses up; it returns the times they get."""

    def addresses_that_use(share):
        clock, given = Clock(), []

        def create_connection(address, timeout):
            given.append(timeout)
            clock.sleep(timeout * share)
            raise TimeoutError("no answer")

        addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"192.0.2.{n}", 443)) for n in range(5)]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)
        monkeypatch.setattr(socket, "create_connection", create_connection)
        monkeypatch.setattr("time.monotonic", clock)
        return given

    return addresses_that_use


def test_every_address_shares_the_time(dead):
    """The first that do not answer leave time for the next, and many hold nobody longer than one."""
    given = dead(share=1.0)
    with pytest.raises(TimeoutError, match="no answer"):
        dial("example.com", 443, 3.0)
    assert given == [1.5, 0.75, 0.375, 0.1875, 0.1875]


def test_without_time_no_address_is_tried(dead):
    """A connection may not be asked for with no time, which would mean for ever."""
    given = dead(share=2.0)  # as on a machine that was suspended
    with pytest.raises(TimeoutError, match="in time"):
        dial("example.com", 443, 3.0)
    assert given == [1.5]


def test_the_next_address_is_tried(monkeypatch):
    """An address that refuses leaves the host's others."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
        addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in ("127.0.0.2", "127.0.0.1")]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)
        with dial("example.com", port, 3.0) as sock:
            assert sock.getpeername() == ("127.0.0.1", port)
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_host_without_addresses(monkeypatch):
    """As one that cannot be reached."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])
    with pytest.raises(OSError, match="no address"):
        dial("example.com", 443, 3.0)
