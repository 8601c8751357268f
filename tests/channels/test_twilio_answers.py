"""Plain answers, read at once: http.client would make the same of them, and reads everything else."""

import io
import random

import pytest

from otp_app.channels.twilio.answers import AT_ONCE, _any_answer, plain_answer, read_answer
from otp_app.connections.deadline import Deadline
from tests.rounds import rounds

BODY = b'{"sid":"SM1"}'
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CREATED = b"HTTP/1.1 201 Created\r\n"
PLAIN = CREATED + LENGTH + b"\r\n" + BODY


class Received:
    """A socket that has received these bytes, and the end after them."""

    def __init__(self, data):
        self.stream = io.BytesIO(data)

    def settimeout(self, seconds):
        pass

    def recv(self, size):
        return self.stream.read(size)

    def makefile(self, mode, buffering):
        return self.stream


def deadline():
    return Deadline(5.0, lambda: 0.0)


@pytest.mark.parametrize("data", [
    PLAIN,
    PLAIN.replace(b"201 Created", b"404 Not Found"),
    PLAIN.replace(LENGTH, b"content-length:13\r\nConnection: Keep-Alive\r\nDate: Wed, 01 Jan 2026 00:00:00 GMT\r\n"),
])
def test_a_whole_answer_is_plain(data):  # fmt: skip
    answer = plain_answer(data)
    assert answer
    assert answer == read_answer(Received(data), deadline()) == _any_answer(Received(b""), deadline(), data)
    assert answer.reusable


@pytest.mark.parametrize("data", [
    b"", PLAIN[:-1], PLAIN[:20], PLAIN + b"x", PLAIN.replace(b"\r\n", b"\n"), PLAIN.replace(LENGTH, b""),
    PLAIN.replace(LENGTH, LENGTH * 2), PLAIN.replace(LENGTH, LENGTH + b"Transfer-Encoding: chunked\r\n"),
    PLAIN.replace(LENGTH, LENGTH + b"Connection: close\r\n"), PLAIN.replace(LENGTH, b"X: a\r\n " + LENGTH),
    PLAIN.replace(LENGTH, LENGTH + b"X: \xff\r\n"), PLAIN.replace(LENGTH, LENGTH + b"X : a\r\n"),
    PLAIN.replace(LENGTH, LENGTH + b"X: a\x1eTransfer-Encoding: chunked\r\n"), PLAIN.replace(b"1.1", b"1.0"),
    *(PLAIN.replace(b"201 Created", status) for status in (b"100 C", b"204 No", b"302 F", b"429 T", b"500 I", b"201")),
])
def test_what_is_unusual_is_left_to_http_client(data):  # fmt: skip
    assert plain_answer(data) is None


def test_an_answer_in_parts_is_read_to_its_end():
    long = CREATED + b"Content-Length: %d\r\n\r\n" % (2 * AT_ONCE) + b"x" * 2 * AT_ONCE
    assert read_answer(Received(long), deadline()).text == "x" * 2 * AT_ONCE


PIECES = [
    b"HTTP/1.1 ", b"HTTP/1.0 ", b"201 Created", b"200 ", b"400 Bad", b"429 T", b"204 N", b"\r\n", b"\r\n", b"\n", b"\r",
    LENGTH, LENGTH, b"Content-Length: 013\r\n", b"Content-Length: 2, 13\r\n", b"Content-Length: -1\r\n",
    b"content-length :13\r\n", b"Transfer-Encoding: chunked\r\n", b"transfer-encoding:identity\r\n",
    b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Connection: keep-alive, close\r\n", b"X: y\r\n",
    b" folded\r\n", b"X:\r\n", b"\x85", b"\x0c", b"\0", b"\xff", b":", BODY, BODY, b"0\r\n\r\n", b"D\r\n",
]  # fmt: skip


def made(luck):
    """An answer whose parts are mostly in order."""
    more = luck.choices(PIECES, k=luck.randrange(3))
    data = [b"HTTP/1.1 ", luck.choice(PIECES[2:7]), b"\r\n", LENGTH, *more, b"\r\n", BODY]
    for _ in range(luck.randrange(3)):
        data[luck.randrange(len(data))] = luck.choice(PIECES)
    return b"".join(data)


def test_http_client_makes_the_same_of_every_plain_answer():
    luck, plain = random.Random(1), 0
    for data in (made(luck) for _ in range(rounds(3_000, 1_000_000))):
        if answer := plain_answer(data):
            plain += 1
            assert answer == _any_answer(Received(b""), deadline(), data), data
    assert plain > 100
