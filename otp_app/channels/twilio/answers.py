"""Reading Twilio's answers: a plain one that came whole is read at once, every other one by http.client."""

from __future__ import annotations

import re
import socket
from http.client import HTTPResponse
from typing import NamedTuple

from otp_app.connections.deadline import MAX_ANSWER, AnswerTooLong, Deadline, DeadlineReader

AT_ONCE = 4096  # bytes; answers have two thousand, and each thread that waits for one has its buffer allocated

#: Head of an answer with a body of which http.client would make nothing else. A 429 is not: its Retry-After is read.
_PLAIN_HEAD = re.compile(rb"HTTP/1\.1 (20[01]|4(?!29)\d\d) [ -~]*\r\n((?:[0-9A-Za-z-]+:[\t -~]*\r\n){1,50})\r\n")
_FRAMING = re.compile(rb"(?im)^(content-length|transfer-encoding|connection):[\t ]*(.*?)[\t ]*\r$")
_KEEP_ALIVE = (b"connection", b"keep-alive")


class TransportError(Exception):
    """There is no usable answer. The text can be shown: it has nothing of the request or the answer."""


class Unanswered(TransportError):
    """An answer came that says neither yes nor no."""


class Answer(NamedTuple):
    """An answer, and whether the connection can serve another request."""

    status: int
    text: str
    retry_after: str | None
    reusable: bool


def read_answer(sock: socket.socket, deadline: Deadline) -> Answer:
    """Return the answer to the request that was sent. Raises Unanswered, HTTPException, OSError."""
    sock.settimeout(deadline.left())
    begun = sock.recv(AT_ONCE)
    return plain_answer(begun) or _any_answer(sock, deadline, begun)


def plain_answer(data: bytes) -> Answer | None:
    """Return the answer in these bytes, if it is whole, alone and in no way unusual."""
    found = _PLAIN_HEAD.match(data)
    if not found:
        return None
    body = data[found.end() :]
    framing = [(name.lower(), value.lower()) for name, value in _FRAMING.findall(found[2])]
    if [header for header in framing if header != _KEEP_ALIVE] != [(b"content-length", b"%d" % len(body))]:
        return None
    return Answer(int(found[1]), _text(body), None, reusable=True)


def _any_answer(sock: socket.socket, deadline: Deadline, begun: bytes) -> Answer:
    reader = DeadlineReader(sock, deadline, begun)
    response = HTTPResponse(reader)  # type: ignore[arg-type]  # it calls makefile()
    try:
        response.begin()
        body = response.read(MAX_ANSWER + 1)
        if len(body) > MAX_ANSWER or response.length:
            raise Unanswered("Twilio's answer is too long, or cut off")
    except AnswerTooLong as error:
        raise Unanswered("Twilio's answer is too long") from error
    finally:
        response.close()
    # After an answer of 1xx the real one may follow, and the next request would get it.
    reusable = response.status >= 200 and not response.will_close and not reader.has_more
    return Answer(response.status, _text(body), response.headers.get("Retry-After"), reusable)


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")
