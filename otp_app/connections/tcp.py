"""Connections to hosts that may have several addresses, of which some may not answer, and their state while idle."""

from __future__ import annotations

import select
import socket
import ssl
import time


class Idle:
    """Sees whether the other end says anything unasked, or leaves, while nothing is asked on a connection."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock, self._poll = sock, select.poll()
        self._poll.register(sock, select.POLLIN)

    def is_quiet(self) -> bool:
        """Return whether it has done neither. What it says unasked would be the answer to the next request."""
        return not (isinstance(self._sock, ssl.SSLSocket) and self._sock.pending()) and not self._poll.poll(0)

    def wait(self, seconds: float) -> None:
        """Return once something has come, or the time is over."""
        self._poll.poll(seconds * 1000)


def dial(host: str, port: int, timeout: float) -> socket.socket:
    """Open a TCP connection to the first of a host's addresses that answers within `timeout` seconds for them all.

    One that does not answer takes half of the time that is left, so that the next ones have the rest. Raises OSError.
    """
    end = time.monotonic() + timeout
    failure: OSError = OSError("no address")
    addresses = [str(address[0]) for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for following, address in enumerate(addresses, start=1):
        if (left := end - time.monotonic()) <= 0:
            raise TimeoutError("no address answered in time")
        try:
            share = left / 2 if following < len(addresses) else left
            sock = socket.create_connection((address, port), timeout=share)
        except OSError as error:
            failure = error
        else:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
    raise failure
