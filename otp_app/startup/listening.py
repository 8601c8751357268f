"""Where the server listens: whether an address can be had before it tries to, and how this machine reaches it then."""

from __future__ import annotations

import errno
import socket

#: where a server listens at every address, and one of those
EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


def why_not(host: str, port: int) -> str | None:
    """Return a line that says why nobody can listen at an address just now; None where one can."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gunicorn does, to ignore closed sockets
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return f"PORT: {port} of {host} is in use by another program: stop that program, or set another PORT"
            return f"HOST, PORT: the server cannot listen on {host}, port {port} ({error.strerror}): set others"
    return None


def url_of(host: str, port: int) -> str:
    """Return the URL under which this machine reaches a server that listens at an address."""
    host = EVERY_ADDRESS.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
