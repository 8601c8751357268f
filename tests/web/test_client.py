"""The address that limits are counted by."""

import logging

import pytest

from otp_app.settings.types import proxy
from otp_app.system import logs
from otp_app.web import client

PROXIES = ("127.0.0.1", "10.0.0.0/8", "2001:db8:ffff::/48")


def address(peer, forwarded=None, trusted=PROXIES):
    environ = {"REMOTE_ADDR": peer}
    if forwarded is not None:
        environ["HTTP_X_FORWARDED_FOR"] = forwarded
    return client.address(environ, [proxy(text) for text in trusted])


@pytest.mark.parametrize(("peer", "forwarded", "client_address"), [
    # without a header, or with one from a peer that is not trusted, the peer counts
    ("203.0.113.9", None, "203.0.113.9"), ("203.0.113.9", "", "203.0.113.9"),
    ("203.0.113.9", "198.51.100.1", "203.0.113.9"), ("127.0.0.1", None, "127.0.0.1"),
    # behind trusted proxies, from the right end to the first that is not trusted
    ("127.0.0.1", "198.51.100.1", "198.51.100.1"), ("127.0.0.1", "198.51.100.1, 10.1.2.3", "198.51.100.1"),
    ("127.0.0.1", "198.51.100.1,10.1.2.3,10.4.5.6", "198.51.100.1"), ("10.9.9.9", " 198.51.100.1 ", "198.51.100.1"),
    # what the client itself wrote stands to the left of it
    ("127.0.0.1", "1.2.3.4, 198.51.100.1", "198.51.100.1"), ("127.0.0.1", "127.0.0.1, 198.51.100.1", "198.51.100.1"),
    ("127.0.0.1", "10.0.0.1, 198.51.100.1, 10.1.2.3", "198.51.100.1"),
    ("127.0.0.1", "garbage, 198.51.100.1", "198.51.100.1"),
    # all are trusted: the farthest
    ("127.0.0.1", "10.0.0.1, 10.1.2.3", "10.0.0.1"),
    # what cannot be read is one client of its own, and ends the search
    ("127.0.0.1", "", "unknown"), ("127.0.0.1", " ", "unknown"), ("127.0.0.1", "unknown", "unknown"),
    ("127.0.0.1", "_hidden", "unknown"), ("127.0.0.1", "198.51.100.1, garbage", "unknown"),
    ("127.0.0.1", "198.51.100.1, unknown, 10.1.2.3", "unknown"), ("127.0.0.1", "198.51.100.1,", "unknown"),
    ("127.0.0.1", ",,,", "unknown"), ("127.0.0.1", "198.51.100.1\x00", "unknown"),
    ("127.0.0.1", "198.51.100.1:", "unknown"), ("127.0.0.1", "198.51.100.1:port", "unknown"),
    ("127.0.0.1", "198.51.100.1:4711:1", "unknown"), ("127.0.0.1", "[198.51.100.1", "unknown"),
    ("127.0.0.1", '"198.51.100.1', "unknown"), ("127.0.0.1", "for=198.51.100.1", "unknown"),
    ("127.0.0.1", "010.0.0.1", "unknown"), ("127.0.0.1", "1" * 5000, "unknown"),
    # ports, brackets, zones and quotes do not count
    ("127.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
    ("127.0.0.1", "203.0.113.7, 198.51.100.1:4711 , 10.1.2.3:80", "198.51.100.1"),
    ("127.0.0.1", "[2001:db8:1:2::9]:443", "2001:db8:1:2::/64"),
    ("127.0.0.1", "[2001:db8:1:2::9]", "2001:db8:1:2::/64"),
    ("127.0.0.1", '"[2001:db8:1:2::9]:443"', "2001:db8:1:2::/64"), ("127.0.0.1", '"198.51.100.1:80"', "198.51.100.1"),
    ("127.0.0.1", "fe80::1%eth0", "fe80::/64"), ("127.0.0.1", "[fe80::1%eth0]:80", "fe80::/64"),
    ("127.0.0.1", "2001:0DB8:0001:0002:0:0:0:9", "2001:db8:1:2::/64"),
    ("127.0.0.1", "[::ffff:198.51.100.1]:80", "198.51.100.1"),
    ("127.0.0.1", "0:0:0:0:0:ffff:c633:6401", "198.51.100.1"),
    # IPv6 is its /64; IPv4 in IPv6 is IPv4
    ("2001:db8:1:2:3:4:5:6", None, "2001:db8:1:2::/64"), ("2001:DB8:1:2::1", None, "2001:db8:1:2::/64"),
    ("fe80::1%eth0", None, "fe80::/64"), ("::1", None, "::1"), ("::ffff:203.0.113.9", None, "203.0.113.9"),
    ("::ffff:127.0.0.1", "198.51.100.1", "198.51.100.1"), ("127.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
    ("127.0.0.1", "2001:db8:1:2:3::9", "2001:db8:1:2::/64"), ("2001:db8:ffff::1", "198.51.100.1", "198.51.100.1"),
    ("127.0.0.1", "198.51.100.1, 2001:db8:ffff:1::1", "198.51.100.1"),
    # a Unix socket has no address, and is trusted by the word unix alone
    ("", None, "unknown"), ("", "198.51.100.1", "unknown"), ("localhost", "198.51.100.1", "unknown"),
])  # fmt: skip
def test_the_address_of_a_client(peer, forwarded, client_address):
    """The peer's, or, from a trusted proxy, the last address in X-Forwarded-For that is no proxy's."""
    assert address(peer, forwarded) == client_address


def test_nobody_is_trusted_by_default():
    """Without OTP_TRUSTED_PROXIES the header is ignored, from this machine too."""
    assert address("127.0.0.1", "198.51.100.1", trusted=()) == "127.0.0.1"


@pytest.mark.parametrize(("forwarded", "client_address"), [
    ("198.51.100.1", "198.51.100.1"), ("1.2.3.4, 10.0.0.1", "10.0.0.1"), ("garbage", "unknown"), (None, "unknown"),
])  # fmt: skip
def test_a_unix_peer_can_be_a_trusted_proxy(forwarded, client_address):
    assert address("", forwarded, trusted=["unix"]) == client_address


def test_unix_trusts_no_peer_with_an_address():
    """Nor one whose address cannot be read."""
    assert address("127.0.0.1", "198.51.100.1", trusted=["unix"]) == "127.0.0.1"
    assert address("localhost", "198.51.100.1", trusted=["unix"]) == "unknown"


@pytest.mark.parametrize(("peer", "trusted", "local"), [
    ("127.0.0.1", (), True), ("127.9.9.9", (), True), ("::1", (), True), ("::ffff:127.0.0.1", (), True),
    ("127.0.0.1", ("10.0.0.0/8", "unix"), True), ("127.0.0.1", ("127.0.0.0/8",), False), ("::1", ("::1",), False),
    ("203.0.113.9", (), False), ("10.0.0.1", (), False), ("2001:db8::1", (), False), ("", (), False),
    ("", ("unix",), False), ("unknown", (), False), ("::", (), False), ("0.0.0.0", (), False),
])  # fmt: skip
def test_what_comes_straight_from_this_machine(peer, trusted, local):
    """A loopback peer that is no trusted proxy. No Unix socket, since a proxy may be behind it."""
    assert client.is_local({"REMOTE_ADDR": peer}, [proxy(text) for text in trusted]) is local


def test_a_header_from_nowhere_is_warned_of_once(monkeypatch, caplog):
    """All clients of a proxy that the settings do not name share one limit: the log says so, once."""
    monkeypatch.setattr(logs, "_warned", set())
    client._address.cache_clear()
    for _ in range(3):
        address("203.0.113.9", "198.51.100.1")
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "OTP_TRUSTED_PROXIES" in record.getMessage()
    assert "198.51.100.1" not in record.getMessage()


def test_a_trusted_proxy_is_not_warned_of(monkeypatch, caplog):
    monkeypatch.setattr(logs, "_warned", set())
    client._address.cache_clear()
    address("127.0.0.1", "198.51.100.1")
    address("203.0.113.9")
    assert caplog.records == []


def test_a_proxy_that_writes_only_forwarded_is_warned_of_once(monkeypatch, caplog):
    """RFC 7239 is not read, so its clients share one limit."""
    monkeypatch.setattr(logs, "_warned", set())
    environ = {"REMOTE_ADDR": "127.0.0.1", "HTTP_FORWARDED": "for=198.51.100.1"}
    for _ in range(2):
        assert client.address(environ, [proxy("127.0.0.1")]) == "127.0.0.1"
    (record,) = caplog.records
    assert "X-Forwarded-For" in record.getMessage()
