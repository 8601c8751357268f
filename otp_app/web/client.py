"""Where a request comes from: the peer, or, behind a trusted proxy, who the proxy says."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from functools import lru_cache

from otp_app.logs import log
from otp_app.setting_types import IPNetwork

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_warned = False


def address(environ: Mapping[str, str], trusted: Sequence[IPNetwork]) -> str:
    """Return the client's address: X-Forwarded-For from its right end, the first that is no trusted proxy.

    An untrusted peer's header counts for nothing. An IPv6 client is its /64, since it has all of it; IPv4 in IPv6 is
    IPv4. A peer without an address (a Unix socket) is "local".
    """
    return _address(environ.get("REMOTE_ADDR", ""), environ.get("HTTP_X_FORWARDED_FOR", ""), tuple(trusted))


@lru_cache(1024)
def _address(remote: str, hops: str, trusted: tuple[IPNetwork, ...]) -> str:
    peer = _ip(remote)
    if peer is None:
        return "local"
    if hops and not _among(peer, trusted):
        _warn_once()
    for hop in reversed(hops.split(",") if hops else []):
        if not _among(peer, trusted) or (said := _ip(hop.strip())) is None:
            break
        peer = said
    if isinstance(peer, ipaddress.IPv6Address) and not peer.is_loopback:
        return str(ipaddress.ip_network((peer, 64), strict=False))
    return str(peer)


def is_local(client: str) -> bool:
    """Whether a client, as address returns it, is on this machine."""
    return client == "local" or ((ip := _ip(client)) is not None and ip.is_loopback)


def _ip(text: str) -> IPAddress | None:
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(ip, "ipv4_mapped", None) or ip


def _among(ip: IPAddress, networks: Sequence[IPNetwork]) -> bool:
    return any(ip in network for network in networks)


def _warn_once() -> None:
    global _warned
    if not _warned:
        _warned = True
        log.warning("X-Forwarded-For from a peer that is not in OTP_TRUSTED_PROXIES: all its clients share one limit")
