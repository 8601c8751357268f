"""A client's connection whose socket never blocks: no thread waits for a client to send, or to read its answer."""

from __future__ import annotations

import errno
import re
import socket
from typing import Any

from gunicorn import http  # type: ignore[import-untyped]
from gunicorn.workers.gthread import TConn  # type: ignore[import-untyped]

MOST_HEAD = 32 * 1024  # bytes of a request line and headers; as many as nginx takes
MOST_BODY = 16 * 1024  # a longer one is not waited for: the application refuses it by its length
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*+([0-9]{1,9})[ \t]*+\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*+(?:;[^\r\n]*+)?\r\n")
_EXPECTS = re.compile(rb"\r\nexpect:[ \t]*+100-continue[ \t]*+\r\n", re.IGNORECASE)


class ClientSocket(socket.socket):
    """A socket that takes all that is to be sent, at once: what the system does not take yet waits in `unsent`."""

    unsent = b""

    def setblocking(self, flag: bool, /) -> None:
        """Stay as it is."""

    def settimeout(self, value: float | None, /) -> None:
        """Stay as it is."""

    def sendall(self, data: Any, _flags: int = 0, /) -> None:
        """Send, or keep."""
        self.unsent += bytes(data)
        self.flush()

    def flush(self) -> None:
        """Send what the system takes now."""
        try:
            self.unsent = self.unsent[self.send(self.unsent) :]
        except BlockingIOError:
            return


class Connection(TConn):  # type: ignore[misc]
    """A connection, and what has arrived of its next request. It is itself what gunicorn's parser reads from."""

    def __init__(self, cfg: Any, sock: socket.socket, client: Any, server: Any) -> None:
        sock.setblocking(False)
        super().__init__(cfg, ClientSocket(fileno=sock.detach()), client, server)
        socket.socket.setblocking(self.sock, False)
        self.initialized = self.data_ready = True  # so gunicorn neither waits nor makes a parser
        self.parser = http.get_parser(cfg, self, client)
        self.peer = peer(client)
        self.received = bytearray()
        self.ended = self.invited = self.leaving = False
        self.needed = 0  # bytes of the request that is arriving; 0: not known yet
        self.until = 0.0  # when the client's time is over, by the monotonic clock

    def receive(self) -> None:
        """Take what has arrived."""
        try:
            data = self.sock.recv(16 * 1024)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.received += data
        self.ended = not data

    def recv(self, _size: int) -> bytes:
        """Return all that has arrived, once. Where the parser needs more, the request fails: nothing is waited for."""
        data, self.received, self.needed = bytes(self.received), bytearray(), 0
        if not (data or self.ended):
            raise ConnectionResetError(errno.ECONNRESET, "the request is not whole")
        return data

    def is_ready(self) -> bool:
        """Whether the request is here with its body, or so much of it that its answer does not depend on the rest."""
        data = self.received
        if self.needed:
            return len(data) >= self.needed
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return len(data) > MOST_HEAD
        body = len(data) - end - 4
        if _CHUNKED.search(data, 0, end + 2):
            ready = body > MOST_BODY or (data.endswith(b"\r\n\r\n") and _is_last_chunk_in(data, end + 4))
        elif length := _LENGTH.search(data, 0, end + 2):
            self.needed = end + 4 + (int(length[1]) if int(length[1]) <= MOST_BODY else 0)
            ready = len(data) >= self.needed
        else:
            ready = True
        if not ready and not self.invited and _EXPECTS.search(data, 0, end + 2):
            self.invited = True
            self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return ready


def _is_last_chunk_in(data: bytearray, at: int) -> bool:
    """Whether the chunks that begin there end there too, or are none."""
    while chunk := _CHUNK.match(data, at):
        if not (size := int(chunk[1], 16)):
            return True
        at = chunk.end() + size + 2
    return at < len(data)


def peer(address: Any) -> str | bytes:
    """Return the host that an address of a socket is of; of IPv6 its /64, as one customer has many of them."""
    if not isinstance(address, tuple):
        return ""  # a Unix socket
    host = str(address[0])
    try:
        return socket.inet_pton(socket.AF_INET6, host)[:8] if ":" in host else host
    except OSError:
        return host
