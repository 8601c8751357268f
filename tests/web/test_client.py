"""The address that limits are counted by."""

import ipaddress
import logging

import pytest

from otp_app.web import client

PROXIES = ("127.0.0.1", "10.0.0.0/8", "2001:db8:ffff::/48")


def address(peer, forwarded=None, trusted=PROXIES):
    environ = {"REMOTE_ADDR": peer}
    if forwarded is not None:
        environ["HTTP_X_FORWARDED_FOR"] = forwarded
    return client.address(environ, [ipaddress.ip_network(network) for network in trusted])


@pytest.mark.parametrize(
    ("peer", "forwarded", "client_address"),
    [
        # without a header, or with one from a peer that is not trusted, the peer counts
        ("203.0.113.9", None, "203.0.113.9"),
        ("203.0.113.9", "", "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("127.0.0.1", None, "127.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        # behind trusted proxies, from the right end to the first that is not trusted
        ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "198.51.100.1, 10.1.2.3", "198.51.100.1"),
        ("127.0.0.1", "198.51.100.1,10.1.2.3,10.4.5.6", "198.51.100.1"),
        ("10.9.9.9", " 198.51.100.1 ", "198.51.100.1"),
        # what the client itself wrote stands to the left of it
        ("127.0.0.1", "1.2.3.4, 198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "127.0.0.1, 198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "10.0.0.1, 198.51.100.1, 10.1.2.3", "198.51.100.1"),
        ("127.0.0.1", "garbage, 198.51.100.1", "198.51.100.1"),
        # all are trusted: the farthest
        ("127.0.0.1", "10.0.0.1, 10.1.2.3", "10.0.0.1"),
        # what is no address ends the search at the last one known
        ("127.0.0.1", "198.51.100.1, garbage", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.1, unknown, 10.1.2.3", "10.1.2.3"),
        ("127.0.0.1", "198.51.100.1,", "127.0.0.1"),
        ("127.0.0.1", ",,,", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.1:4711", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.1\x00", "127.0.0.1"),
        ("127.0.0.1", "1" * 5000, "127.0.0.1"),
        # IPv6 is its /64; IPv4 in IPv6 is IPv4
        ("2001:db8:1:2:3:4:5:6", None, "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::1", None, "2001:db8:1:2::/64"),
        ("fe80::1%eth0", None, "fe80::/64"),
        ("::1", None, "::1"),
        ("::ffff:203.0.113.9", None, "203.0.113.9"),
        ("::ffff:127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "2001:db8:1:2:3::9", "2001:db8:1:2::/64"),
        ("2001:db8:ffff::1", "198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "198.51.100.1, 2001:db8:ffff:1::1", "198.51.100.1"),
        # a Unix socket has no address
        ("", None, "local"),
        ("", "198.51.100.1", "local"),
    ],
)
def test_the_address_of_a_client(peer, forwarded, client_address):
    """The peer's, or, from a trusted proxy, the last address in X-Forwarded-For that is no proxy's."""
    assert address(peer, forwarded) == client_address


def test_nobody_is_trusted_by_default():
    """Without OTP_TRUSTED_PROXIES the header is ignored, from this machine too."""
    assert address("127.0.0.1", "198.51.100.1", trusted=()) == "127.0.0.1"


@pytest.mark.parametrize(
    ("who", "local"),
    [("local", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("203.0.113.9", False),
     ("10.0.0.1", False), ("2001:db8::/64", False), ("::/64", False), ("", False)],
)  # fmt: skip
def test_who_is_on_this_machine(who, local):
    """Loopback and Unix sockets."""
    assert client.is_local(who) is local


def test_a_header_from_nowhere_is_warned_of_once(monkeypatch, caplog):
    """All clients of a proxy that the settings do not name share one limit: the operator is told, once."""
    monkeypatch.setattr(client, "_warned", False)
    client._address.cache_clear()
    for _ in range(3):
        address("203.0.113.9", "198.51.100.1")
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "OTP_TRUSTED_PROXIES" in record.getMessage()
    assert "198.51.100.1" not in record.getMessage()


def test_a_trusted_proxy_is_not_warned_of(monkeypatch, caplog):
    """Nor a request without the header."""
    monkeypatch.setattr(client, "_warned", False)
    client._address.cache_clear()
    address("127.0.0.1", "198.51.100.1")
    address("203.0.113.9")
    assert caplog.records == []
