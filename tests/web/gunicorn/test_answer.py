"""An answer is collected whole, framed by its length, and checked before any of it is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gunicorn.http.errors import InvalidResponseHeader, InvalidResponseHeaderName

from otp_app.web.gunicorn import answer as module
from otp_app.web.gunicorn.answer import Answer


def said(application: Callable[..., Any], method: str = "GET", *, keep: bool = True) -> tuple[list[str], bytes]:
    """The lines of the head without those that all have, and the body."""
    answer = Answer({"REQUEST_METHOD": method, "SERVER_PROTOCOL": "HTTP/1.1"})
    answer.ask(application)
    head, body = answer.parts(keep=keep)
    assert answer.sent == len(body)
    assert head.endswith(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")[:-2]
    return [line for line in lines if not line.startswith(("Server: ", "Date: ", "Connection: "))], body


def app(status: str = "200 OK", *headers: tuple[str, str], body: bytes = b"body") -> Callable[..., list[bytes]]:
    """An application that answers so."""
    def application(_: Any, start: Any) -> list[bytes]:
        start(status, list(headers))
        return [body]

    return application


@pytest.mark.parametrize(("application", "method", "lines", "body"), [
    (app(), "GET", ["HTTP/1.1 200 OK", "Content-Length: 4"], b"body"),
    (app("200 OK", ("X", " a\t")), "GET", ["HTTP/1.1 200 OK", "X: a", "Content-Length: 4"], b"body"),
    (app("200 OK", ("content-length", "3")), "GET", ["HTTP/1.1 200 OK", "Content-Length: 3"], b"bod"),
    (app("200 OK", ("Content-Length", "9")), "HEAD", ["HTTP/1.1 200 OK", "Content-Length: 9"], b""),
    (app(), "HEAD", ["HTTP/1.1 200 OK"], b""),
    (app("204 No Content", ("Content-Length", "4")), "GET", ["HTTP/1.1 204 No Content"], b""),
    (app("304 Not Modified", ("Content-Length", "4")), "GET", ["HTTP/1.1 304 Not Modified", "Content-Length: 4"], b""),
    (app("200 OK", ("Connection", "upgrade"), ("Transfer-Encoding", "chunked"), ("Date", "x")), "GET",
     ["HTTP/1.1 200 OK", "Content-Length: 4"], b"body"),
])  # fmt: skip
def test_the_length_of_an_answer_is_always_known(
    application: Callable[..., Any], method: str, lines: list[str], body: bytes
) -> None:
    """Never more than the application announces, nothing where nothing may be, and no header of the connection."""
    assert said(application, method) == (lines, body)


@pytest.mark.parametrize(("application", "error"), [
    (app("200 OK", ("Content-Length", "5")), ValueError),  # the client would wait for the fifth
    (app("200 OK", ("X", "a\r\nSet-Cookie: b")), InvalidResponseHeader),
    (app("200 OK", ("X", "\u20ac")), InvalidResponseHeader),
    (app("200 OK", ("X:", "a")), InvalidResponseHeaderName),
    (app("200 OK\r\nX: a"), ValueError),
    (app("OK"), ValueError),
    (app(body="text"), TypeError),  # type: ignore[arg-type]
    (lambda *_: [b""], ValueError),
])  # fmt: skip
def test_what_is_no_http_is_not_sent(application: Callable[..., Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        said(application)


def test_an_application_may_begin_late_write_and_begin_again() -> None:
    """As PEP 3333 allows: begun again after a fault, nothing of the first answer is left."""
    def application(_: Any, start: Any) -> Iterator[bytes]:
        start("200 OK", [("X", "a")])(b"begun")
        with pytest.raises(AssertionError):
            start("200 OK", [])
        start("500 Oh", [], (None, None, None))(b"sor")
        yield b"ry"

    assert said(application) == (["HTTP/1.1 500 Oh", "Content-Length: 5"], b"sorry")


def test_an_iterable_is_closed_even_where_it_fails() -> None:
    class Parts:
        closed = 0

        def __iter__(self) -> Iterator[bytes]:
            raise ZeroDivisionError

        def close(self) -> None:
            self.closed += 1

    parts = Parts()
    with pytest.raises(ZeroDivisionError):
        said(lambda *_: parts)
    assert parts.closed == 1


def test_the_date_is_of_this_second(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([1.0, 1.9, 2.0])
    monkeypatch.setattr(module.time, "time", lambda: next(seconds))
    dates = [module._now() for _ in range(3)]
    assert dates == ["Thu, 01 Jan 1970 00:00:01 GMT"] * 2 + ["Thu, 01 Jan 1970 00:00:02 GMT"]
