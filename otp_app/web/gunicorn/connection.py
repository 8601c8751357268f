"""A client's connection: no thread waits longer than a moment for its client to send, and none for it to read."""

from __future__ import annotations

import errno
import re
import socket
import struct
from typing import Any

from gunicorn import http  # type: ignore[import-untyped]
from gunicorn.http.errors import InvalidChunkSize, LimitRequestHeaders  # type: ignore[import-untyped]
from gunicorn.workers.gthread import TConn  # type: ignore[import-untyped]

from otp_app.web import batches, callbacks
from otp_app.web.gunicorn.plain import PlainRequests

MOST_HEAD = 32 * 1024  # bytes of a request line and headers; as many as nginx takes
MOST_BODY = 16 * 1024  # a longer one is not waited for: the application rejects it by its length
#: how requests begin whose body may be longer
LONGER = {f"POST {callbacks.PATH}".encode(): callbacks.MOST_BODY, f"POST {batches.PATH} ".encode(): batches.MOST_BODY}
MOST_CHUNKS = 128  # of a body: the parser copies all that follows for each, and 2,700 would fit into MOST_BODY
BUFFER = 32 * 1024  # bytes each way; the system itself would keep some megabytes for a client that does not read
#: What a proxy's header of the PROXY protocol's version 2 begins with; bytes 14 and 15 are the length of its rest
PROXY = b"\r\n\r\n\0\r\nQUIT\n"
MOMENT = 0.01  # seconds in which a client that goes on at once sends its next request
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*+([0-9]{1,9})[ \t]*+\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_CHUNK = re.compile(rb"(?=[0-9A-Fa-f])0*+([0-9A-Fa-f]{0,8})[ \t]*+(?:;[^\r\n]*+)?\r\n")
_IPV4 = bytes(10) + b"\xff\xff"  # what addresses of IPv4 begin with where they are written as IPv6
_EXPECTS = re.compile(rb"\r\nexpect:[ \t]*+100-continue[ \t]*+\r\n", re.IGNORECASE)


class ClientSocket(socket.socket):
    """A socket that takes all that is to be sent, at once: what the system does not take yet waits in `unsent`."""

    unsent: bytes | memoryview = b""

    def setblocking(self, flag: bool, /) -> None:
        """Stay as it is."""

    def settimeout(self, value: float | None, /) -> None:
        """Stay as it is."""

    def sendall(self, data: Any, _flags: int = 0, /) -> None:
        """Send, or keep."""
        self.unsent = bytes(self.unsent) + bytes(data) if self.unsent else bytes(data)
        self.flush()

    def send_answer(self, head: bytes, body: bytes) -> None:
        """Send both, or keep: a short answer by one system call, and a long body as the very object that it is."""
        if len(body) <= BUFFER:
            self.sendall(head + body)
        else:
            self.sendall(head)
            self.sendall(body)

    def flush(self) -> None:
        """Send what the system takes now."""
        try:
            sent = self.send(self.unsent, socket.MSG_DONTWAIT)
            # without a copy: a thousand slow readers of one long answer hold it once
            self.unsent = memoryview(self.unsent)[sent:] if sent < len(self.unsent) else b""
        except BlockingIOError:
            return


class Connection(TConn):  # type: ignore[misc]
    """A connection, and what has arrived of its next request. It is itself what gunicorn's parser reads from."""

    proxy_header = False  # whether a proxy may say, before a request, for whom it connects

    def __init__(self, cfg: Any, sock: socket.socket, client: Any, server: Any,
                 plain: PlainRequests | None = None) -> None:
        super().__init__(cfg, ClientSocket(fileno=sock.detach()), client, server)
        _set_up(self.sock)
        self.initialized = self.data_ready = True  # so gunicorn neither waits nor makes a parser
        self.parser = http.get_parser(cfg, self, client)
        self.read_plain = plain.reader(self.sock, client, server) if plain else None
        self.peer = peer(client)
        self.received = bytearray()
        self.ended = self.leaving = False
        self.anew: dict[str, Any] | None = None  # the environment of a request that is to be answered once more
        self.proxy_header = cfg.proxy_protocol != "off"
        self.proxied: Any = None  # what the PROXY protocol said of the client (gunicorn's --proxy-protocol)
        self._begin()
        self.until = 0.0  # the client's deadline, by the monotonic clock

    def _begin(self, *, cut: bool = False) -> None:
        """Expect a request. What was looked at is not looked at again with each piece that arrives."""
        self.cut = cut  # the parser has the beginning of a head that is too long
        self.needed = 0  # bytes of the request that is arriving; 0: not known yet
        self.looked = 0  # bytes in which no head ends
        self.chunk = 0  # where the next chunk of its body begins; 0: it has none as far as is known
        self.chunks = 0
        self.most_body = MOST_BODY
        self.expects = False  # its client waits to be asked for the body

    def receive(self, *, wait: bool = False) -> None:
        """Take what has arrived, or arrives within a MOMENT."""
        try:  # a thread that waits has its buffer allocated, so that one is small
            data = self.sock.recv(4096) if wait else self.sock.recv(16 * 1024, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.received += data
        self.ended = not data

    def take_plain(self) -> dict[str, Any] | None:
        """Return the environment of the request that has arrived if it is plain; else the parser will read it."""
        if anew := self.anew:
            self.anew = None
            return anew
        environ = self.read_plain(bytes(self.received)) if self.read_plain else None
        if environ is not None:
            self.received.clear()
            self._begin()
        return environ

    def close(self, graceful: bool = False) -> None:
        """Close, and keep nothing: the parser knows this object, so both stay until Python looks for such circles."""
        super().close(graceful)
        self.received, self.sock.unsent = bytearray(), b""

    @property
    def held(self) -> bytes | bytearray:
        """What waits here for the client: an answer, all of it until its last part is sent, or else a request."""
        unsent = self.sock.unsent
        if isinstance(unsent, memoryview):
            return unsent.obj  # type: ignore[return-value]  # of `flush`
        return unsent or self.received

    def has_more(self) -> bool:
        """Whether more has arrived than the request that was answered. The parser may have it."""
        self.received += self.parser.unreader.take_buffered()
        return bool(self.received)

    def recv(self, _size: int) -> bytes:
        """Return all that has arrived, once. Where the parser needs more, the request fails: nothing is waited for."""
        data, self.received = bytes(self.received), bytearray()
        if self.chunks > MOST_CHUNKS:
            raise InvalidChunkSize(b"too many chunks")
        if not data and self.cut:
            raise LimitRequestHeaders("the head is too long")
        self._begin(cut=not self.needed and len(data) > MOST_HEAD)
        if not (data or self.ended):
            raise ConnectionResetError(errno.ECONNRESET, "the request is not whole")
        return data

    def is_ready(self) -> bool:
        """Whether the request is here with its body, or so much of it that its answer does not depend on the rest."""
        if not self.needed and not self._has_head():
            return len(self.received) > MOST_HEAD
        if self.chunk:
            ready = self._has_last_chunk() or len(self.received) > self.needed + self.most_body
        else:
            ready = len(self.received) >= self.needed
        if not ready and self.expects:
            self.expects = False
            self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return ready

    def _has_head(self) -> bool:
        """Whether the head has arrived. Then `needed` is known: without the body where that is long, or in chunks."""
        data = self.received
        begin = 16 + int.from_bytes(data[14:16]) if self.proxy_header and data.startswith(PROXY) else 0
        if (end := data.find(b"\r\n\r\n", max(self.looked - 3, begin))) < 0:
            self.looked = len(data)
            return False
        self.needed = end + 4
        self.most_body = next((most for start, most in LONGER.items() if data.startswith(start, begin)), MOST_BODY)
        self.expects = _EXPECTS.search(data, 0, end + 2) is not None
        if _CHUNKED.search(data, 0, end + 2):
            self.chunk = self.needed
        elif (length := _LENGTH.search(data, 0, end + 2)) and int(length[1]) <= self.most_body:
            self.needed += int(length[1])
        return True

    def _has_last_chunk(self) -> bool:
        """Whether the last chunk has arrived with its trailers, or too many chunks, or what is none."""
        data = self.received
        while self.chunks <= MOST_CHUNKS and (chunk := _CHUNK.match(data, self.chunk)):
            if not (size := int(chunk[1] or b"0", 16)):
                return data.startswith(b"\r\n", chunk.end()) or data.find(b"\r\n\r\n", chunk.end()) >= 0
            self.chunk = chunk.end() + size + 2
            self.chunks += 1
        return self.chunks > MOST_CHUNKS or data.find(b"\r\n", self.chunk) >= 0


def _set_up(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    # The system call itself waits: Python's own timeouts take one more for each read, and lose the GIL twice.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, int(MOMENT * 1e6)))
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def peer(address: Any) -> str | bytes:
    """Return the host that an address of a socket is of; of IPv6 its /64, as one customer has many of them."""
    if not isinstance(address, tuple):
        return ""  # a Unix socket
    host = str(address[0])
    try:
        packed = socket.inet_pton(socket.AF_INET6, host) if ":" in host else b""
    except OSError:
        return host
    if packed.startswith(_IPV4):  # a client of IPv4 at a socket of HOST=::
        return socket.inet_ntoa(packed[len(_IPV4) :])
    return packed[:8] or host
