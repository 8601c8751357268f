"""Plain requests are what gunicorn's parser reads, or are left to it: never a third thing.

    HEADS=1000000 .venv/bin/python -m pytest tests/web/gunicorn/test_plain.py
"""

from __future__ import annotations

import os
import random
import socket
from typing import Any

import pytest
from gunicorn import http
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.http import wsgi

from otp_app.web.gunicorn.connection import Connection
from otp_app.web.gunicorn.plain import MOST_BYTES, MOST_FIELDS, MOST_TARGET, PlainRequests

HEADS = int(os.environ.get("HEADS", "10000"))
CLIENT, SERVER = ("127.0.0.1", 50123), ("127.0.0.1", 5000)
LINES = ["POST /verify-otp HTTP/1.1", "Host: localhost:5000", "User-Agent: curl/8.5.0", "Accept: */*",
         "Content-Type: application/json", "Content-Length: 2"]
BODY = "{}"
#: objects of a request that are not equal though they are the same, and what no application of ours asks for
OWN = {"wsgi.input", "wsgi.errors", "wsgi.early_hints"}
FIRST = [
    "GET / HTTP/1.1", "GET /a/b.c~d?x=1&y=%20+ HTTP/1.1", "DELETE /x HTTP/1.1", "HEAD / HTTP/1.1", "post / HTTP/1.1",
    "GET //a HTTP/1.1", "GET /a//b HTTP/1.1", "GET /a%2Fb HTTP/1.1", "GET /a#b HTTP/1.1", "GET /a?b#c HTTP/1.1",
    "GET /? HTTP/1.1", "GET /?/?a HTTP/1.1", "GET http://other/ HTTP/1.1", "GET * HTTP/1.1", "CONNECT a:1 HTTP/1.1",
    "POST / HTTP/1.0", "POST / HTTP/1.10", "POST / HTTP/2.0", "POST  / HTTP/1.1", "POST / HTTP/1.1 ", "POST /",
    "POST /\t HTTP/1.1", "PRI * HTTP/2.0", "POST /a;b=c HTTP/1.1", "POST /[::1] HTTP/1.1", "POST /\x80 HTTP/1.1",
    f"GET /{'a' * MOST_TARGET} HTTP/1.1", f"GET /{'a' * (MOST_TARGET - 1)} HTTP/1.1", "GET ?a HTTP/1.1",
    "\r\nGET / HTTP/1.1",
]  # fmt: skip
FIELDS = [
    "Content-Length: 2", "Content-Length: 0", "Content-Length: 02", "Content-Length: +2", "Content-Length: -2",
    "Content-Length: 0x2", "Content-Length: 2, 2", "Content-Length: 2 2", "Content-Length: \xb2", "Content-Length:",
    "Content-Length : 2", "Content_Length: 2", "content-length: 2", "Content-Length: 99999", "Content-Length: 4",
    "Transfer-Encoding: chunked", "transfer-encoding: chunked", "Transfer-Encoding: identity", "Transfer-Encoding:",
    "Transfer-Encoding : chunked", "Transfer-Encoding: xchunked", "Transfer_Encoding: chunked", "TE: trailers",
    "X: a\r\n Transfer-Encoding: chunked", " X: folded", "\tX: folded", "Trailer: Host", "Expect: 100-continue",
    "Expect: 200-ok", "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABk",
    "Connection: close", "Connection: keep-alive", "Connection: CLOSE", "connection: Keep-Alive",
    "Connection: close, x", "Connection:", "Host: other", "host: localhost:5000", "Host:", "Host : a", "X-A: b",
    "Content-Type: text/plain",
    "X_Forwarded_For: 10.0.0.1", "X-Forwarded-For: 10.0.0.1", "X-Forwarded-Proto: https", "X-Forwarded-Ssl: on",
    "Forwarded: for=10.0.0.1", "Script_Name: /a", "Script-Name: /a", "Path_Info: /a", "PATH-INFO: /a", "X-Empty:",
    "X-E: ", "X-Blanks:  a", "X-Blanks: a ", "X-Blanks: a  b", "X-Tab: a\tb", "X-Tab:\ta", "X-High: \xe9",
    "X-Null: \x00",
    "X-Del: \x7f", "X-Colon: a:b", ": empty", "NoColon", "X Y: a", "X\x00: a", "X-\xdf: a", "", "X-A: b\nX-C: d",
    "X-A: b\rX-C: d", f"X-Long: {'a' * MOST_BYTES}", "Proxy: http://other", "HTTP-Host: a", "Content-Type:",
]  # fmt: skip
TAILS = ["", "{}", "{", "{}{}", "{}\r\n", "{}GET /x HTTP/1.1\r\nHost: a\r\n\r\n", "0\r\n\r\n", "2\r\n{}\r\n0\r\n\r\n"]
ODD = "\r\n\t \x00\x0b\x0c\x1f\x7f\x80\x85\xa0\xff:;,/?#%_\"\\HhCc0129+-"


def some(chance: random.Random) -> bytes:
    """A request: a plain one, or one with a few faults of those that others have used to smuggle."""
    lines, tail = LINES.copy(), BODY
    for _ in range(chance.choice((0, 0, 1, 1, 2, 3))):
        match chance.randrange(6):
            case 0:
                lines[0] = chance.choice(FIRST)
            case 1 | 2:
                lines.insert(chance.randint(1, len(lines)), chance.choice(FIELDS))
            case 3:
                lines[chance.randrange(1, len(lines))] = chance.choice(FIELDS)
            case 4:
                tail = chance.choice(TAILS)
            case _:
                lines.insert(1, chance.choice(lines[1:]))
    text = "\r\n".join(lines) + "\r\n\r\n" + tail
    for _ in range(chance.choice((0, 0, 0, 1, 2))):
        place, removed = chance.randrange(len(text)), chance.choice((0, 1))
        put = chance.choice(("", chance.choice(ODD), chr(chance.randrange(256))))
        text = text[:place] + put + text[place + removed :]
    return text.encode("latin-1")


class Source:
    """A socket from which a request comes, and then the end."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def recv(self, _: int) -> bytes:
        data, self.data = self.data, b""
        return data


def of_gunicorn(cfg: Config, data: bytes, sock: Any) -> tuple[dict[str, Any], bytes, bytes, bool]:
    """How gunicorn reads: the environment, the body, what is left for a next request, whether it is the last one."""
    parser = http.get_parser(cfg, Source(data), CLIENT)
    request = next(parser)
    _, environ = wsgi.create(request, sock, CLIENT, SERVER, cfg)
    environ["wsgi.multithread"] = True  # which gunicorn's worker adds
    return environ, request.body.read(), parser.unreader.take_buffered(), request.should_close()


def configured(**settings: Any) -> Config:
    cfg = Config()
    ours = {"forwarded_allow_ips": "", "limit_request_fields": 50, "limit_request_line": 2048}
    for name, value in (ours | settings).items():
        cfg.set(name, value)
    return cfg


def visible(environ: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in environ.items() if name not in OWN}


@pytest.mark.parametrize("trusted", ["", "127.0.0.1"])
def test_a_plain_request_is_what_gunicorn_reads(trusted: str) -> None:
    """The same environment and body, and nothing left over; whatever gunicorn refuses is left to it."""
    cfg, sock = configured(forwarded_allow_ips=trusted), object()
    read: Any = PlainRequests(cfg).reader(sock, CLIENT, SERVER)  # type: ignore[arg-type]
    chance, plain = random.Random(f"heads {trusted}"), 0
    for _ in range(HEADS // 2):
        data = some(chance)
        if (ours := read(data)) is not None:
            plain += 1
            environ, body, left, closes = of_gunicorn(cfg, data, sock)
            assert visible(ours) == visible(environ), data
            assert (ours["wsgi.input"].read(), b"") == (body, left), data
            assert (ours.get("HTTP_CONNECTION", "").lower() == "close") is closes, data
    assert HEADS // 10 < plain < HEADS // 2


@pytest.mark.parametrize("fields", [MOST_FIELDS - 5, MOST_FIELDS - 4])
def test_a_request_of_many_fields_is_left_to_gunicorn(fields: int) -> None:
    data = "\r\n".join([*LINES, *(f"X-{i}: a" for i in range(fields)), "", BODY]).encode()
    read: Any = PlainRequests(configured()).reader(object(), CLIENT, SERVER)  # type: ignore[arg-type]
    assert (read(data) is not None) is (len(LINES) - 1 + fields <= MOST_FIELDS)


@pytest.mark.parametrize(("settings", "known"), [
    ({}, True), ({"accesslog": "-"}, False), ({"proxy_protocol": "auto"}, False),
    ({"pre_request": lambda worker, req: None}, False), ({"post_request": lambda worker, req: None}, False),
    ({"limit_request_fields": MOST_FIELDS - 1}, False),
    ({"limit_request_line": 100}, False), ({"limit_request_line": 0}, True), ({"protocol": "uwsgi"}, False),
    ({"limit_request_field_size": 100}, False), ({"statsd_host": "localhost:8125"}, False),
])  # fmt: skip
def test_with_other_settings_gunicorn_reads_all(settings: dict[str, Any], known: bool) -> None:
    """Where they change what a request is, or where an operator's own code, log or metrics see each request."""
    cfg = configured(**settings)
    assert PlainRequests.are_known(cfg, Logger(cfg)) is known


def test_a_prefix_of_the_application_is_for_gunicorn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRIPT_NAME", "/otp")
    assert not PlainRequests.are_known(configured(), Logger(configured()))


def test_behind_a_unix_socket_gunicorn_reads_all() -> None:
    """A proxy there may set the scheme, and Host is the server's name."""
    assert PlainRequests(configured()).reader(object(), "", "/run/otp.sock") is None  # type: ignore[arg-type]


def test_a_plain_request_leaves_the_connection_ready_for_any_other() -> None:
    """One that is read here, one by gunicorn, and the first again."""
    ours, theirs = socket.socketpair()
    with theirs:
        conn = Connection(configured(), ours, CLIENT, SERVER, PlainRequests(configured()))
        whole = "\r\n".join([*LINES, "", BODY]).encode()
        for data, is_plain in ((whole, True), (whole.replace(b"POST", b"PUT"), False), (whole, True)):
            theirs.sendall(data)
            conn.receive()
            assert conn.is_ready()
            environ = conn.take_plain()
            assert (environ is not None) is is_plain
            assert (environ["wsgi.input"] if environ else next(conn.parser).body).read() == b"{}"
            assert not conn.has_more()
        conn.close()
