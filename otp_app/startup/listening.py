"""Whether an address can be had before the server tries to."""

from __future__ import annotations

import errno
import socket


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
