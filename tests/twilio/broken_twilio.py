"""A Twilio that goes wrong on demand: one loopback server, and a log of every POST that it has read.

    with BrokenTwilio("429:1", "ok") as broken:      # one mode for each request, the last for all that follow
        ...
        assert len(broken.posts) == 2                # the truth about how many messages there can be
"""

from __future__ import annotations

import json
import secrets
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl


@dataclass(frozen=True)
class Post:
    """One request that was read to its end: when (seconds of the monotonic clock), where to, with what fields."""

    at: float
    path: str
    form: dict[str, str]


class BrokenTwilio:
    """The server. `connections` counts those that were accepted, `open` those that are not closed yet."""

    def __init__(self, *modes: str, tls: ssl.SSLContext | None = None) -> None:
        self.posts: list[Post] = []
        self.connections = self.open = 0
        self.stopped = threading.Event()
        self._tls, self._lock = tls, threading.Lock()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._listener.getsockname()[1]}"
        self.set(*modes or ("ok",))

    def set(self, *modes: str) -> None:
        """Set what happens to the requests that follow."""
        self._modes = list(modes)

    def __enter__(self) -> BrokenTwilio:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        self._threads.append(threading.Thread(target=target, args=args, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        while not self.stopped.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self.open += 1
            self._start(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if self._tls:
                sock = self._tls.wrap_socket(sock, server_side=True)
            while self._readable(sock) and self._serve_one(sock):
                pass
        except OSError:
            pass  # the client went away
        finally:
            sock.close()
            with self._lock:
                self.open -= 1

    def _readable(self, sock: socket.socket) -> bool:
        while not self.stopped.is_set():
            if (isinstance(sock, ssl.SSLSocket) and sock.pending()) or select.select([sock], [], [], 0.02)[0]:
                return True
        return False

    def _serve_one(self, sock: socket.socket) -> bool:
        """Handle one request; False ends the connection."""
        if self._modes[0] == "reset-before":
            self._next_mode()
            return reset(sock)
        method, path, body = read_request(sock)
        if not method:
            return False
        with self._lock:
            self.posts.append(Post(time.monotonic(), path, dict(parse_qsl(body))))
        name, _, argument = self._next_mode().partition(":")
        return MODES[name](self, sock, argument)

    def _next_mode(self) -> str:
        with self._lock:
            return self._modes.pop(0) if len(self._modes) > 1 else self._modes[0]


def read_request(sock: socket.socket) -> tuple[str, str, str]:
    """Return method, path and body; all empty where no request came."""
    with sock.makefile("rb") as stream:
        line = stream.readline().decode("latin-1").split()
        if len(line) != 3:
            return "", "", ""
        headers = {}
        while header := stream.readline().decode("latin-1").strip():
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        body = stream.read(int(headers.get("content-length", 0))).decode()
    return line[0], line[1], body


def message(**changes: Any) -> str:
    """A message resource, as short as Twilio's client can read it."""
    return json.dumps({"sid": "SM" + secrets.token_hex(16), "status": "queued"} | changes)


def answer(status: int, body: str, *headers: str) -> bytes:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def send(sock: socket.socket, status: int, body: str, *headers: str) -> bool:
    """Send an answer and keep the connection."""
    sock.sendall(answer(status, body, *headers))
    return True


def send_error(sock: socket.socket, status: int, code: int, *headers: str) -> bool:
    """Send an error as Twilio words it, the recipient's number in it."""
    text = "The 'To' number +14155552671 is not a valid phone number."
    return send(sock, status, json.dumps({"code": code, "message": text, "status": status}), *headers)


def reset(sock: socket.socket) -> bool:
    """Break the connection off, so that the client sees a reset and no end."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def slow(server: BrokenTwilio, sock: socket.socket, seconds: str) -> bool:
    """Answer late."""
    server.stopped.wait(float(seconds))
    return send(sock, 201, message())


def drip(server: BrokenTwilio, sock: socket.socket, seconds: str) -> bool:
    """Answer byte by byte, with a pause before each."""
    for byte in answer(201, message()):
        server.stopped.wait(float(seconds))
        sock.sendall(bytes([byte]))
    return True


def hang(server: BrokenTwilio, *_: Any) -> bool:
    """Never answer."""
    return not server.stopped.wait()


def problem(_: BrokenTwilio, sock: socket.socket, argument: str) -> bool:
    """Answer as RFC 9457 wants errors: HTTP status, the status that the body names, code."""
    status, named, code = (int(part) for part in argument.split(":"))
    return send(sock, status, json.dumps({"type": "about:blank", "title": "t", "status": named, "code": code}))


def throttle(_: BrokenTwilio, sock: socket.socket, retry_after: str) -> bool:
    """Answer 429, with Retry-After where it is given."""
    return send_error(sock, 429, 20429, *([f"Retry-After: {retry_after}"] if retry_after else []))


def chunked(_: BrokenTwilio, sock: socket.socket, __: str) -> bool:
    """Answer in one chunk."""
    body = message()
    sock.sendall(f"HTTP/1.1 201 X\r\nTransfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n{body}\r\n0\r\n\r\n".encode())
    return True


def more(server: BrokenTwilio, sock: socket.socket, _: str) -> bool:
    """Answer in one chunk with the beginning of a second answer behind it, of which the rest comes later."""
    body, second = message(), answer(400, "{}")
    first = f"HTTP/1.1 201 X\r\nTransfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n{body}\r\n0\r\n\r\n".encode()
    sock.sendall(first + second[:-2])
    server._readable(sock)
    sock.sendall(second[-2:])
    return True


def twice(_: BrokenTwilio, sock: socket.socket, length: str) -> bool:
    """Answer two times at once, of which the first time has so many bytes, or 4096."""
    first = answer(201, message(body="x" * 3000))
    sock.sendall(answer(201, message(body="x" * (3000 + int(length or 4096) - len(first)))) + answer(400, "{}"))
    return True


def cut(_: BrokenTwilio, sock: socket.socket, __: str) -> bool:
    """End before the answer's last bytes."""
    sock.sendall(answer(201, message() + " " * 10)[:-5])
    return False


def last(server: BrokenTwilio, sock: socket.socket, _: str) -> bool:
    """Answer well, announce the connection's end, and leave it open for a moment."""
    send(sock, 201, message(), "Connection: close")
    return server.stopped.wait(0.2)


def flood(_: BrokenTwilio, sock: socket.socket, __: str) -> bool:
    """Answer without a length, and with too much."""
    sock.sendall(f"HTTP/1.1 201 X\r\n\r\n{message(body='x' * 70_000)}".encode())
    return False


def early(server: BrokenTwilio, sock: socket.socket, _: str) -> bool:
    """Send early hints, and the answer a moment later."""
    sock.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
    server.stopped.wait(0.1)
    return send(sock, 201, message())


def endless(opening: bytes, more: bytes) -> Mode:
    """A mode that goes on for ever."""

    def go_on(server: BrokenTwilio, sock: socket.socket, _: str) -> bool:
        sock.sendall(opening)
        while not server.stopped.is_set():
            sock.sendall(more)
        return False

    return go_on


Mode = Callable[[BrokenTwilio, socket.socket, str], bool]


def say(status: int, body: str, *headers: str) -> Mode:
    """A mode that always answers the same."""
    return lambda _, sock, __: send(sock, status, body, *headers)


HTML = "<html><body>Something went wrong</body></html>"
MODES: dict[str, Mode] = {
    "ok": lambda _, sock, __: send(sock, 201, message()),
    "slow": slow,  # seconds
    "drip": drip,  # seconds
    "hang": hang,
    "early": early,
    "informational": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "negative": endless(b"HTTP/1.1 201 X\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", b" " * 60_000),
    "trailers": endless(b"HTTP/1.1 201 X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"A: b\r\n" * 1000),
    "chunked": chunked,
    "more": more,
    "twice": twice,  # bytes
    "last": last,
    "leave": lambda _, sock, __: not send(sock, 201, message()),  # close without a word after a good answer
    "500": say(500, HTML),
    "503": say(503, HTML),
    "302": say(302, "", "Location: /elsewhere"),
    "400": lambda _, sock, code: send_error(sock, 400, int(code)),
    "401": lambda _, sock, __: send_error(sock, 401, 20003),
    "403": say(403, HTML),
    "429": throttle,  # Retry-After
    "problem": problem,
    "html": say(201, HTML),
    "empty": say(201, ""),
    "list": say(201, "[]"),
    "null": say(201, "null"),
    "object": say(201, "{}"),
    "deep": say(201, "[" * 60_000),
    "no-sid": lambda _, sock, __: send(sock, 201, message(sid=None)),
    "sid": lambda _, sock, sid: send(sock, 201, message(sid=sid)),
    "failed": lambda _, sock, code: send(sock, 201, message(status="failed", error_code=int(code) if code else None)),
    "flood": flood,
    "oversize": lambda _, sock, __: send(sock, 201, message(body="x" * 70_000)),
    "garbage": lambda _, sock, __: bool(sock.sendall(b"\0" * 100)),
    "cut": cut,
    "reset-before": lambda *_: False,  # done before the request is read
    "reset": lambda _, sock, __: reset(sock),
    "close": lambda *_: False,
}


def refused_url() -> str:
    """A URL where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"http://127.0.0.1:{probe.getsockname()[1]}"
