"""servers/connection.py: when a request is whole, and a socket that waits for nobody."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import InvalidChunkSize, LimitRequestHeaders

from otp_app.web import batches, callbacks
from otp_app.web.gunicorn.answer import Answer
from otp_app.web.gunicorn.connection import BUFFER, MOST_BODY, MOST_CHUNKS, MOST_HEAD, ClientSocket, Connection, peer
from tests.web.pumping import cost

POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
BATCH = b"POST /notifications/batch HTTP/1.1\r\nHost: a\r\n"
RECEIPT = b"POST /callbacks/twilio/status/VE/VL HTTP/1.1\r\nHost: a\r\n"
V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + b"\r\n\r\n" * 3  # with an address that is such an end too
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


def arrived(*pieces: bytes) -> Any:
    """A connection to which these pieces came, `whole` after the last or not."""
    conn: Any = Connection.__new__(Connection)
    conn.received, conn.ended = bytearray(), False
    conn._begin()
    for piece in pieces:
        conn.received += piece
        conn.whole = conn.is_ready()
    return conn


@pytest.mark.parametrize(("pieces", "whole"), [
    ((POST,), False),
    ((POST + b"\r\n",), True),
    ((POST + b"\r", b"\n"), True),
    ((POST + b"Content-Length: 2\r\n\r\n", b"{"), False),
    ((POST + b"content-length:2\r\n\r\n", b"{", b"}"), True),
    ((POST + b"Content-Length: %d\r\n\r\n" % (MOST_BODY + 1),), True),  # not waited for
    ((RECEIPT + b"Content-Length: %d\r\n\r\n" % callbacks.MOST_BODY,), False),
    ((RECEIPT + b"Content-Length: %d\r\n\r\n" % (callbacks.MOST_BODY + 1),), True),
    ((BATCH + b"Content-Length: %d\r\n\r\n" % batches.MOST_BODY,), False),
    ((BATCH + b"Content-Length: %d\r\n\r\n" % (batches.MOST_BODY + 1),), True),
    ((RECEIPT + b"Transfer-Encoding: chunked\r\n\r\n", b"fff0\r\n", b"x" * 0xFFF0), False),
    ((RECEIPT + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n", b"x" * 0x10000), True),
    ((RECEIPT + b"Content-Length: 0\r\n\r\n", POST + b"Content-Length: %d\r\n\r\n" % (MOST_BODY + 1)), True),
    ((b"x" * MOST_HEAD,), False),
    ((b"x" * (MOST_HEAD + 1),), True),
    ((CHUNKED,), False),
    ((CHUNKED, b"2\r\n{}\r\n"), False),
    ((CHUNKED, b"4\r\n\r\n\r\n\r\n"), False),  # it ends as a chunked body ends
    ((CHUNKED, b"2;a=b\r\n{}\r\n", b"0\r\n\r\n"), True),
    ((CHUNKED, b"2\r\n{}\r\n0\r\nTrailer: x\r\n\r\n"), True),
    ((CHUNKED, b"nonsense\r\n\r\n"), True),  # which the parser refuses
    ((CHUNKED, b"000000000002\r\n{}\r\n", b"000000000000\r\n"), False),
    ((CHUNKED, b"0\r\n\r\n" + POST), True),  # another request has begun
    ((CHUNKED, b"2\r\n{}\r\n0\r\nTrailer: x\r\n\r\n" + POST), True),
    ((CHUNKED, b"2\r\n{}\r\n0\r\nTrailer: x\r\n"), False),
    ((CHUNKED, *[b"1\r\n{\r\n"] * MOST_CHUNKS), False),
    ((CHUNKED, *[b"1\r\n{\r\n"] * (MOST_CHUNKS + 1)), True),  # it is refused
])  # fmt: skip
def test_a_request_is_whole_with_the_last_byte_of_its_body(pieces: tuple[bytes, ...], whole: bool) -> None:
    """Or when its answer does not depend on what is missing."""
    assert arrived(*pieces).whole is whole


@pytest.mark.parametrize("body", [b"1\r\n \r\n" * (MOST_CHUNKS + 1), b"%x\r\n%s\r\n" % (MOST_BODY, b" " * MOST_BODY)
                                  + b"1\r\n \r\n" * (MOST_CHUNKS + 1)])  # fmt: skip
def test_a_body_in_very_many_chunks_is_refused(body: bytes) -> None:
    """The parser takes 10 ms for 2,700 chunks, whatever the path, since it copies all that follows for each."""
    with pytest.raises(InvalidChunkSize):
        arrived(CHUNKED + body + b"0\r\n\r\n").recv(8192)
    assert arrived(CHUNKED + b"1\r\n \r\n" * MOST_CHUNKS + b"0\r\n\r\n").recv(8192).endswith(b"0\r\n\r\n")


def test_a_head_that_is_too_long_is_refused() -> None:
    """When the parser asks for its end: what has arrived may show another fault, such as a long request line."""
    conn = arrived(POST + b"X: " + b"x" * MOST_HEAD)
    assert len(conn.recv(8192)) > MOST_HEAD
    with pytest.raises(LimitRequestHeaders):
        conn.recv(8192)


def test_what_was_looked_at_is_not_looked_at_again() -> None:
    """The main loop, which all clients share, would take a second of its processor for one head byte by byte."""
    head = (POST + b"\r" * MOST_HEAD)[:MOST_HEAD]
    assert cost(lambda: arrived(*(head[i : i + 1] for i in range(len(head))))) < 0.3


def test_an_answer_that_is_not_read_keeps_no_thread() -> None:
    """What the system does not take stays, in order, until it does."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    answer = bytes(range(256)) * 8192
    with theirs, ClientSocket(fileno=ours.detach()) as client:
        socket.socket.setblocking(client, False)
        client.sendall(answer)
        client.sendall(b"end")
        assert client.unsent.endswith(b"end")
        read = bytearray()
        while len(read) < len(answer) + 3:
            read += theirs.recv(65_536)
            client.flush()
        assert bytes(read) == answer + b"end"


def test_slow_readers_of_one_file_share_its_bytes() -> None:
    """A thousand clients that read a file of a page slowly hold it once."""
    file = bytes(4 << 20)

    def application(_: Any, start: Any) -> list[bytes]:
        start("200 OK", [])
        return [file]

    answer = Answer({"REQUEST_METHOD": "GET", "SERVER_PROTOCOL": "HTTP/1.1"})
    answer.ask(application)
    ours, theirs = socket.socketpair()
    with theirs, ClientSocket(fileno=ours.detach()) as client:
        client.send_answer(*answer.parts(keep=True))
        assert theirs.recv(20).startswith(b"HTTP/1.1 200 OK")
        assert len(client.unsent) > 1 << 20
        assert isinstance(client.unsent, memoryview)
        assert client.unsent.obj is file


def test_the_main_loop_waits_for_no_client() -> None:
    """Not even for the moment that a thread waits for a next request; here that would last for ever."""
    ours, theirs = socket.socketpair()
    with theirs, Connection(Config(), ours, "", "").sock as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, bytes(16))
        conn = arrived()
        conn.sock = client
        conn.receive()
        assert (conn.received, conn.ended) == (b"", False)


def test_the_system_keeps_little_of_what_is_not_read() -> None:
    """Of an answer for a client, and of what a client sends: a thousand clients must not take gigabytes of it."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()):
        accepted, address = listener.accept()
        with Connection(Config(), accepted, address, listener.getsockname()).sock as client:
            client.sendall(bytes(3 << 20))
            assert len(client.unsent) > 2 << 20
            assert client.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) <= 2 * BUFFER


@pytest.mark.parametrize("pieces", [(V2 + POST, b"\r\n"), (V2[:14], V2[14:], POST + b"\r\n"), (V2, POST + b"\r\n")])
def test_a_request_behind_a_proxys_header_is_waited_for(pieces: tuple[bytes, ...], monkeypatch: Any) -> None:
    """That of version 2 begins like the end of a head."""
    monkeypatch.setattr(Connection, "proxy_header", True)
    assert not arrived(*pieces[:-1]).whole
    assert arrived(*pieces).whole


def test_a_peer_is_a_host() -> None:
    """All ports of an address, all of an IPv6 /64, all of a Unix socket; of IPv4 at an IPv6 socket one address."""
    assert peer(("192.0.2.1", 1)) == peer(("192.0.2.1", 2)) != peer(("192.0.2.2", 1))
    assert peer(("2001:db8::1", 1, 0, 0)) == peer(("2001:db8::2", 1, 0, 0)) != peer(("2001:db8:0:1::1", 1, 0, 0))
    assert peer("") == peer(b"")
    assert peer(("::ffff:192.0.2.1", 1, 0, 0)) == peer(("192.0.2.1", 1)) != peer(("::ffff:192.0.2.2", 1, 0, 0))
