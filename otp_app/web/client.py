"""The client: where a request comes from, the API key that it shows, and the id that it gives the request.

It is the peer, or, behind a trusted proxy, the client that the proxy names. Without Flask, for APIs that are not HTTP
too.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import secrets
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from msgspec import Struct

from otp_app.core.errors import OtpError
from otp_app.settings.types import UNIX, ApiKey, TrustedProxy
from otp_app.system.logs import warn_once

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

#: every client whose address cannot be read: they are counted together, and apart from all others
UNKNOWN = "unknown"
#: beginnings of what proxies, tunnels and CDNs write, as WSGI spells headers
OF_PROXIES = (
    "HTTP_FORWARDED", "HTTP_X_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_", "HTTP_X_CLIENT_IP", "HTTP_X_CLUSTER_CLIENT_IP",
    "HTTP_CLIENT_IP", "HTTP_TRUE_CLIENT_IP", "HTTP_REMOTE_", "HTTP_X_REMOTE_", "HTTP_X_ORIGINAL_",
    "HTTP_X_ORIGINATING_IP", "HTTP_X_PROXY_", "HTTP_X_PROXYUSER_IP", "HTTP_CF_", "HTTP_CDN_LOOP", "HTTP_FASTLY_",
    "HTTP_FLY_", "HTTP_TAILSCALE_", "HTTP_X_ENVOY_", "HTTP_X_AMZN_TRACE_ID", "HTTP_X_AMZ_CF_", "HTTP_X_AZURE_",
    "HTTP_X_ARR_", "HTTP_X_APPENGINE_", "HTTP_X_CLOUD_TRACE_CONTEXT", "HTTP_X_VERCEL_", "HTTP_X_NF_",
    "HTTP_DO_CONNECTING_IP",
)  # fmt: skip

_OF_PROXIES = re.compile(f"\n(?:{'|'.join(OF_PROXIES)})")

#: in the environ of waitress, which removes X-Forwarded-For and its like: proxies do not show there
WAITRESS = "waitress.client_disconnected"

#: loaded where gunicorn speaks uwsgi (--protocol uwsgi): a proxy asks, and its REMOTE_ADDR of the client is dropped
UWSGI = "gunicorn.uwsgi"

_HOP = re.compile(
    r'("?)(?:(?P<v4>[0-9.]{7,15})(?::[0-9]{1,5})?'
    r"|\[(?P<bracketed>[0-9A-Fa-f:.]{2,45})(?:%[\w.-]{1,32})?\](?::[0-9]{1,5})?"
    r"|(?P<v6>[0-9A-Fa-f:.]{2,45})(?:%[\w.-]{1,32})?)\1",
    re.ASCII,
)

REQUEST_ID = "X-Request-ID"  # the header of requests and answers
GIVEN_ID = "otp_app.request_id"  # where a WSGI environment has the id of a request
_SAFE = re.compile(r"[0-9A-Za-z._-]{16,64}")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
#: what may be a phone number or a code, which no log has: digits that stand alone
_NUMBER = re.compile(r"(?<![0-9A-Za-z])[0-9]{4,}+(?![0-9A-Za-z])")
_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")  # so that none has digits, as numbers and codes have
_AT_ONCE = 256  # ids of which the randomness is drawn together: a system call for each would cost more than all else


class Unauthorized(OtpError):
    """No credentials, or none that are known."""

    code = "unauthorized"


class Forbidden(OtpError):
    """The caller may not do that, or the server has no callers from elsewhere."""

    code = "forbidden"


class Caller(Struct, frozen=True):
    """Who asks."""

    name: str  # of the API key or account; "" without one
    address: str  # of the client, an IPv6 one cut to its /64
    scopes: frozenset[str] = frozenset()
    account: str = ""  # AC…, where Basic credentials were shown
    is_person: bool = False  # a user with a session: limits per client hold as for those without a key

    @property
    def authenticated(self) -> bool:
        """Whether an API key, or credentials of an account, were shown and known."""
        return bool(self.name)

    @property
    def scope(self) -> str:
        """Who asks, as one text: no key, account or address has that of another kind, whatever they are named."""
        if not self.authenticated:
            return f"address:{self.address}"
        return f"account:{self.name}" if self.account else f"key:{self.name}"


def address(environ: Mapping[str, Any], trusted: Sequence[TrustedProxy]) -> str:
    """Return the client's address: X-Forwarded-For from its right end, the first that is no trusted proxy.

    An untrusted peer's header counts for nothing. An IPv6 client is its /64, since it has all of it; IPv4 in IPv6 is
    IPv4. What cannot be read is UNKNOWN. A trusted proxy that writes no X-Forwarded-For asks for itself.
    """
    hops = environ.get("HTTP_X_FORWARDED_FOR")
    if hops is None and trusted and "HTTP_FORWARDED" in environ:
        warn_once("A request has Forwarded and no X-Forwarded-For, which alone is read: let the proxy write that one")
    return _address(_peer(environ), hops, tuple(trusted))


def is_local(environ: Mapping[str, Any], trusted: Sequence[TrustedProxy]) -> bool:
    """Return whether a request comes straight from this machine: over loopback, and from no proxy as far as it shows.

    A trusted proxy on this machine may leave out what it should write, so what it sends is never local.
    """
    hidden = WAITRESS in environ or UWSGI in sys.modules
    return not hidden and _is_near(_peer(environ), tuple(trusted)) and not _of_proxy(environ)


def shown_key(authorization: str | None, x_api_key: str | None) -> str | None:
    """Return the key of `Authorization: Bearer KEY` or `X-API-Key: KEY`, None where neither was sent."""
    kind, _, value = (authorization or "").partition(" ")
    return value.strip() if kind.lower() == "bearer" else x_api_key


def identified(shown: str | None, address: str, keys: Sequence[ApiKey], count_wrong: Callable[[str], None]) -> Caller:
    """Return who shows a key; without configured keys it does not count. `count_wrong` counts an unknown one.

    Raises Unauthorized, and what `count_wrong` raises.
    """
    if shown is None or not keys:
        return Caller("", address)
    digest = digest_of(shown)
    key = next((key for key in keys if hmac.compare_digest(key.digest, digest)), None)
    if shown and key:
        return Caller(key.name, address, key.scopes)
    count_wrong(address)
    raise Unauthorized("The API key is not known")


def digest_of(secret: str) -> str:
    """Return the SHA-256 (hex) of a secret that was shown."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def _peer(environ: Mapping[str, Any]) -> str:
    """Return the peer's address; "" behind a Unix socket, where a peer could take any name, an address too."""
    connection = environ.get("gunicorn.socket") or environ.get("werkzeug.socket")
    if connection is not None and connection.family == socket.AF_UNIX:
        return ""
    return str(environ.get("REMOTE_ADDR", ""))


@lru_cache(1024)
def _is_near(remote: str, trusted: tuple[TrustedProxy, ...]) -> bool:
    """Return whether a peer is on this machine, and no trusted proxy."""
    peer = _ip(remote)
    return peer is not None and peer.is_loopback and not _trusts(peer, trusted)


@lru_cache(1024)
def _address(remote: str, hops: str | None, trusted: tuple[TrustedProxy, ...]) -> str:
    client = _ip(remote)
    if hops is None:
        return _name(client)
    if (remote and client is None) or not _trusts(client, trusted):
        warn_once("X-Forwarded-For from a peer that is not in OTP_TRUSTED_PROXIES: all its clients share one limit")
        return _name(client)
    for hop in reversed(hops.split(",")):
        client = _hop(hop)
        if client is None or not _trusts(client, trusted):
            break
    return _name(client)


def _trusts(peer: IPAddress | None, trusted: Sequence[TrustedProxy]) -> bool:
    """Return whether a peer is a trusted proxy; None is the one behind a Unix socket."""
    if peer is None:
        return UNIX in trusted
    return any(peer in network for network in trusted if not isinstance(network, str))


def _name(client: IPAddress | None) -> str:
    if client is None:
        return UNKNOWN
    if isinstance(client, ipaddress.IPv6Address) and not client.is_loopback:
        return str(ipaddress.ip_network((client, 64), strict=False))
    return str(client)


def _hop(text: str) -> IPAddress | None:
    """Read one entry of X-Forwarded-For: an address, perhaps quoted, in brackets, with a zone or with a port."""
    found = _HOP.fullmatch(text.strip(" \t"))
    return _ip(found["v4"] or found["bracketed"] or found["v6"]) if found else None


def _ip(text: str) -> IPAddress | None:
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(ip, "ipv4_mapped", None) or ip


def _of_proxy(environ: Mapping[str, Any]) -> bool:
    """Return whether a proxy passed a request on; nginx before 1.29.7 shows by its HTTP/1.0 alone by default."""
    old = environ.get("SERVER_PROTOCOL") != "HTTP/1.1"  # HTTP/1.0, which granian calls HTTP/1
    if old and environ.get("HTTP_CONNECTION", "").lower() == "close":
        return True
    return bool(_OF_PROXIES.search("\n" + "\n".join(environ)))  # at once, in a third of the time


class RequestIds:
    """Gives ids that are unique, and tell nobody how many requests there were."""

    def __init__(self) -> None:
        self._drawn: list[str] = []

    def taken(self, said: str | None) -> str:
        """Return the caller's own id where it is one, and cannot be a number or a code; else a new one."""
        return said if said and is_id(said) else self._new()

    def _new(self) -> str:
        try:
            return self._drawn.pop()
        except IndexError:  # the first ones are drawn with the first request, so after any fork
            text = secrets.token_hex(12 * _AT_ONCE).translate(_LETTERS)
            first, *self._drawn = [text[at : at + 24] for at in range(0, len(text), 24)]
            return first


def is_id(text: str) -> bool:
    """Return whether a text is taken for the id of a request."""
    return bool(_SAFE.fullmatch(text)) and bool(_UUID.fullmatch(text) or not _NUMBER.search(text))
