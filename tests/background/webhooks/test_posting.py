"""What is sent to a receiver over the network, and what of its answers counts."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from otp_app.background.webhooks.posting import QUIET, Poster

OK = b"HTTP/1.1 204 No Content\r\n\r\n"


class Peer:
    """A server that answers each request with the next of its scripts; a function is called with the connection."""

    def __init__(self, *answers: bytes | Callable[[socket.socket], None]) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/events?for=otp"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)

    def _run(self) -> None:
        while self.answers:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            with connection, suppress(OSError):
                self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        while self.answers and (request := self._read(connection)):
            self.requests.append(request)
            answer = self.answers.pop(0)
            if callable(answer):
                answer(connection)
                return
            connection.sendall(answer)
            if b"close" in answer:
                return

    def _read(self, connection: socket.socket) -> bytes:
        request = b""
        while b"\r\n\r\n" not in request or len(request.partition(b"\r\n\r\n")[2]) < 2:
            if not (part := connection.recv(65536)):
                return b""
            request += part
        return request


@pytest.fixture
def post_to() -> Iterator[Callable[..., Poster]]:
    """Call it for a Poster that is closed with the test."""
    with ExitStack() as open_ones:

        def make(url: str, **how: Any) -> Poster:
            made = Poster(url, **how)
            open_ones.callback(made.close)
            return made

        yield make


@pytest.fixture
def peer() -> Iterator[Callable[..., Peer]]:
    with ExitStack() as open_ones:

        def make(*answers: bytes | Callable[[socket.socket], None]) -> Peer:
            made = Peer(*answers)
            open_ones.callback(made.close)
            return made

        yield make


def test_an_event_is_posted_with_its_headers_to_the_whole_address(
    post_to: Callable[..., Poster], peer: Callable[..., Peer]
) -> None:
    one = peer(OK)
    assert post_to(one.url).post(b"{}", {"webhook-id": "VE1-1"}).taken
    head, _, content = one.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /events?for=otp HTTP/1.1\r\n")
    assert f"Host: {one.url.split('/')[2]}\r\n".encode() in head
    assert head.endswith(b"\r\nwebhook-id: VE1-1")
    assert b"Content-Type: application/json\r\n" in head
    assert content == b"{}"


@pytest.mark.parametrize("unasked", [OK, b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"])
def test_what_a_receiver_says_unasked_is_no_answer_to_the_next_event(
    post_to: Callable[..., Poster], peer: Callable[..., Peer], unasked: bytes
) -> None:
    """Such as a second answer, by which that event would be lost, or a proxy's word that a connection was idle."""
    said = threading.Event()

    def answer_twice(connection: socket.socket) -> None:
        connection.sendall(OK)
        assert answered.wait(10)
        connection.sendall(unasked)
        said.set()
        connection.recv(1)

    answered = threading.Event()
    one = peer(answer_twice, b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
    poster = post_to(one.url)
    assert poster.post(b"{}", {}).taken
    answered.set()
    assert said.wait(10)
    assert poster.post(b"{}", {}).why == "answered 503"


def test_a_connection_on_which_more_than_an_answer_came_is_not_used_again(
    post_to: Callable[..., Poster], peer: Callable[..., Peer]
) -> None:
    """The rest of it would be the answer to the next event."""
    busy = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
    one = peer(busy + OK[:12], OK)
    poster = post_to(one.url)
    assert [poster.post(b"{}", {}).taken for _ in range(2)] == [False, True]
    assert one.connections == 2


def test_a_connection_is_kept_and_one_that_was_closed_is_made_again(
    post_to: Callable[..., Poster], peer: Callable[..., Peer]
) -> None:
    one = peer(OK, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", lambda _: None, OK)
    poster = post_to(one.url)
    assert [poster.post(b"{}", {}).taken for _ in range(3)] == [True] * 3
    assert one.connections == 2
    assert len(one.requests) == 4


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_a_connection_on_which_something_may_follow_or_nothing_is_not_used_again(
    post_to: Callable[..., Poster], peer: Callable[..., Peer], answer: bytes
) -> None:
    one = peer(answer, OK)
    poster = post_to(one.url)
    assert poster.post(b"{}", {}).taken == (b"200" in answer)
    assert not poster._idle
    assert poster.post(b"{}", {}).taken
    assert one.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 204\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 202 Accepted\r\nconnection: Keep-Alive\r\ncontent-length: 2\r\n\r\nok",
    ],
)
@pytest.mark.parametrize("cut", [0, 10, -1])
def test_every_form_of_a_whole_answer_leaves_the_connection_for_the_next_event(
    post_to: Callable[..., Poster], peer: Callable[..., Peer], answer: bytes, cut: int
) -> None:
    def serve(connection: socket.socket) -> None:
        for is_second in (False, True):
            if is_second:
                connection.recv(65536)
            connection.sendall(answer[:cut])
            time.sleep(0.01)
            connection.sendall(answer[cut:])

    one = peer(serve)
    poster = post_to(one.url)
    assert [poster.post(b"{}", {}).taken for _ in range(2)] == [True, True]
    assert one.connections == 1


def test_a_redirect_is_not_followed(
    post_to: Callable[..., Poster], peer: Callable[..., Peer]
) -> None:
    other = peer(OK)
    one = peer(f"HTTP/1.1 307 Go\r\nLocation: {other.url}\r\nContent-Length: 0\r\n\r\n".encode())
    reply = post_to(one.url).post(b"{}", {})
    assert not reply.taken
    assert "redirect" in reply.why
    assert other.requests == []


@pytest.mark.parametrize(
    ("head", "seconds", "gone"),
    [
        ("503 No\r\nRetry-After: 90", 90.0, False),
        ("429 No\r\nRetry-After: Fri, 31 Dec", 0.0, False),
        ("410 Gone", 0.0, True),
    ],
)
def test_what_an_answer_asks_for(
    post_to: Callable[..., Poster], peer: Callable[..., Peer], head: str, seconds: float, gone: bool
) -> None:
    one = peer(f"HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n".encode())
    reply = post_to(one.url).post(b"{}", {})
    assert (reply.taken, reply.retry_after, reply.gone) == (False, seconds, gone)


def test_of_a_huge_answer_little_is_read_and_its_status_counts(
    post_to: Callable[..., Poster], peer: Callable[..., Peer]
) -> None:
    sent = 0

    def flood(connection: socket.socket) -> None:
        nonlocal sent
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        for _ in range(1000):
            connection.sendall(b"x" * 65536)
            sent += 65536

    one = peer(flood)
    assert post_to(one.url).post(b"{}", {}).taken
    one.close()
    assert sent < 20_000_000


def test_a_receiver_that_answers_byte_by_byte_has_the_time_of_one_event(
    post_to: Callable[..., Poster], peer: Callable[..., Peer]
) -> None:
    def drip(connection: socket.socket) -> None:
        for _ in range(200):
            connection.sendall(b"H")
            time.sleep(0.02)

    started = time.monotonic()
    reply = post_to(peer(drip).url, timeout=0.2).post(b"{}", {})
    assert not reply.taken
    assert time.monotonic() - started < 2


def test_events_do_not_wait_for_each_others_time_outs(
    post_to: Callable[..., Poster], peer: Callable[..., Peer]
) -> None:
    now = [100.0]
    poster = post_to("http://127.0.0.1:1/", clock=lambda: now[0])
    assert "ConnectionRefusedError" in poster.post(b"{}", {}).why
    one = peer(OK)
    poster._host, poster._port = "127.0.0.1", int(one.url.split(":")[2].partition("/")[0])
    assert poster.post(b"{}", {}).why == "gave no answer a moment ago"
    now[0] += QUIET
    assert poster.post(b"{}", {}).taken


def test_what_an_answer_says_is_not_repeated(
    post_to: Callable[..., Poster], peer: Callable[..., Peer]
) -> None:
    """It may be long, or hold what a log must not: the address, and words of somebody else."""
    one = peer(b"secret words that are no answer\r\n\r\n close")
    reply = post_to(one.url).post(b"{}", {})
    assert not reply.taken
    assert "secret" not in reply.why
    assert "127.0.0.1" not in reply.why
