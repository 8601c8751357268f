"""A directory behind a web service: GET with the user's id in the URL, a JSON object in the answer."""

from __future__ import annotations

import json
import logging
import re
import socket
import time
from base64 import b64encode
from contextlib import closing
from functools import partial
from http.client import HTTPResponse
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, ProtocolError

from otp_app.connections.deadline import MAX_ANSWER, Deadline, DeadlineReader
from otp_app.connections.tcp import dial
from otp_app.connections.tls import client_context
from otp_app.core.errors import DirectoryUnavailable

TIMEOUT = 2.0  # seconds for a look-up as a whole
CONNECTIONS = 32  # kept while idle; at work there is one for each thread that asks
PUBLIC_REASONS = {
    "ReadTimeoutError": "no answer in time",
    "ProtocolError": "no connection, or it broke",
    "ValueError": "its answer cannot be read",
    "SSLError": "its certificate is not one to trust, or TLS failed",
}

# It logs each request with its user's id, and each connection that is not kept.
logging.getLogger("urllib3").setLevel(logging.ERROR)


class HttpsDirectory:
    """The directory of `https://[user:password@]host/path/{user_id}`; also http, on this machine.

    An answer of 200 has `{"phone_number": "+14155552671"}`, or null or nothing for a user without; 404: no such user.
    Redirects and the environment's proxies are not followed. Certificates are checked against the system's, or
    SSL_CERT_FILE's. Only the system's resolver has time limits of its own.
    """

    def __init__(self, url: str, timeout: float = TIMEOUT) -> None:
        parts = _parse(url)
        path = parts.path or "/"
        self._target = f"{path}?{parts.query}" if parts.query else path
        self._pool, self._timeout = _pool(parts), timeout

    def phone(self, user_id: str) -> str | None:
        """Return the number of a user; see Directory."""
        if not _names_one(user_id):
            return None
        try:
            status, body = self._get(self._target.replace("{user_id}", quote(user_id, safe="")))
        except (HTTPError, ValueError) as error:  # http.client reads a chunk of negative length
            name = type(error).__name__
            raise DirectoryUnavailable(f"The directory is not available ({PUBLIC_REASONS.get(name, name)})") from error
        if status == 404:
            return None
        if status != 200:
            raise DirectoryUnavailable(f"The directory is not available (it answered HTTP {status})")
        return _phone(body)

    def ping(self) -> None:
        """Raise DirectoryUnavailable where the service does not answer as agreed, a user `ping` or none."""
        self.phone("ping")

    def close(self) -> None:
        """Close the connections that nobody uses at the moment."""
        self._pool.close()

    def _get(self, target: str) -> tuple[int, bytes]:
        end = time.monotonic() + self._timeout
        try:
            return self._try(target, end)
        except ProtocolError:  # the server may close a connection just when it is used again
            return self._try(target, end)

    def _try(self, target: str, end: float) -> tuple[int, bytes]:
        answer = self._pool.urlopen(
            "GET",
            target,
            timeout=urllib3.Timeout(total=max(end - time.monotonic(), 0.001)),
            retries=False,
            redirect=False,
            preload_content=False,
        )
        with closing(answer):  # one that was not read to its end takes its connection along
            if answer.status < 200:  # the real answer may follow, and would be taken for that about the next user
                raise ProtocolError("no final answer")
            body = answer.read(MAX_ANSWER + 1, decode_content=False)
            return answer.status, body


class _Connection(HTTPConnection):
    """A connection with one time limit for all steps together."""

    def _new_conn(self) -> socket.socket:
        """Connect to the first of the host's addresses that answers within the time for them all."""
        return dial(self.host, self.port, float(self.timeout or 0))

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]  # as in the class above
        """Return the answer, whose body has the same end of time."""
        deadline = Deadline(float(self.timeout or 0), time.monotonic)
        self.response_class = partial(_response, deadline)  # type: ignore[assignment]  # it is only called
        return super().getresponse()


class _TlsConnection(_Connection, HTTPSConnection):
    """The same with TLS."""


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


def _response(deadline: Deadline, sock: socket.socket, **options: Any) -> HTTPResponse:
    return HTTPResponse(DeadlineReader(sock, deadline), **options)  # type: ignore[arg-type]  # it only calls makefile()


def _names_one(user_id: str) -> bool:
    """Whether the id, once in a path, still names a user and no other place, should servers decode it twice."""
    # Some servers take what follows a semicolon for a parameter of the step: "..;" is ".." to them.
    steps = [step.partition(";")[0] for step in re.split(r"[/\\]", unquote(unquote(user_id)))]
    return not {"", ".", ".."} & set(steps) and not any("\ud800" <= character <= "\udfff" for character in user_id)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Raises ValueError for a name that stands twice: parsers differ in which value counts."""
    if len(named := dict(pairs)) != len(pairs):
        raise ValueError("a name appears twice")
    return named


def _phone(body: bytes) -> str:
    try:
        answer = json.loads(body, object_pairs_hook=_object) if len(body) <= MAX_ANSWER else None
    except (ValueError, RecursionError):
        answer = None
    phone = answer.get("phone_number", "") if isinstance(answer, dict) else answer
    if not isinstance(answer, dict) or not isinstance(phone, str | None):
        raise DirectoryUnavailable("The directory is not available (its answer is not what was agreed)")
    return (phone or "").strip()


#: a percent that escapes nothing: libraries then escape ids twice
_BARE_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")


def _parse(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}"
        usable = parts.port != 0 and bool((parts.hostname or "").encode("idna")) and not parts.fragment
        # A password with a slash in it ends the host too early.
        usable = usable and "@" not in parts.path and not _BARE_PERCENT.search(target)
    except ValueError:  # its text may have a part of a password
        usable = False
    if not usable or target.count("{user_id}") != 1:
        raise ValueError(
            "write https://host/path/{user_id}, with user:password@ before the host if needed (in a password / is %2F, "
            "# %23, ? %3F, @ %40, % %25)"
        )
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        raise ValueError("http:// is for this machine only: write https://, or the host as 127.0.0.1")
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _pool(parts: SplitResult) -> urllib3.HTTPConnectionPool:
    headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "otp-app"}
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {b64encode(login.encode()).decode()}"
    host = str(parts.hostname)
    if parts.scheme == "http":
        return _Pool(host, parts.port, maxsize=CONNECTIONS, headers=headers)
    return _TlsPool(host, parts.port, maxsize=CONNECTIONS, headers=headers, ssl_context=client_context())
