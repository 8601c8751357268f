"""/metrics of a process that serves no HTTP otherwise. Without Flask, which such a process need not load.

Who may read it is what the HTTP server has for /metrics: a key with the scope `metrics`, or where no caller from
elsewhere is allowed, this machine.
"""

from __future__ import annotations

import socket
import socketserver
import time
from collections.abc import Callable, Mapping
from http.client import LineTooLong
from http.server import BaseHTTPRequestHandler
from threading import BoundedSemaphore, Thread, Timer
from typing import Any

from otp_app.core.errors import InvalidInput, OtpError
from otp_app.monitoring.metrics.page import CONTENT_TYPE
from otp_app.settings import Settings
from otp_app.settings.exposure import is_open
from otp_app.stores.memory import MemoryStore
from otp_app.system.logs import warn_seldom
from otp_app.web import client, rejections
from otp_app.web.client import Forbidden, Unauthorized, identified, shown_key
from otp_app.web.limits import WrongKeys

MOST = 8  # requests at a time: there are one or two readers
PAUSE = 0.1  # seconds
MOST_HEAD = 16 * 1024  # bytes of a request
SECONDS = 10.0  # for a request with its answer, however slowly it comes
TEXT = "text/plain; charset=utf-8"

Answer = tuple[int, str, str]  # status, type, text


class Scraping:
    """Serves /metrics in threads of its own until it is closed. Raises OSError where it cannot listen."""

    def __init__(self, settings: Settings, page: Callable[[], str]) -> None:
        self._settings, self._page, self._is_open = settings, page, is_open(settings)
        self._wrong_keys = WrongKeys(MemoryStore())  # of this process: it may have no store
        host, port = settings.otp_metrics_host, settings.otp_metrics_port
        shown = f"[{host}]" if ":" in host else host
        self._hosts = {f"{name}:{port}" for name in ("localhost", "127.0.0.1", "[::1]", shown)}
        self._server = _Server(host, port, self.answer)
        self.where = f"http://{shown}:{port}/metrics"
        Thread(target=self._server.serve_forever, args=(0.2,), name="metrics", daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, environ: Mapping[str, str]) -> Answer:
        """Return the answer to GET. `environ`: the request's head as WSGI has it."""
        if path.partition("?")[0] != "/metrics":
            return 404, TEXT, "There is nothing here but /metrics\n"
        try:
            self._admit(environ)
            return 200, CONTENT_TYPE, self._page()
        except OtpError as error:
            rejection = rejections.of_error(error)
        except Exception as error:  # noqa: BLE001 - of a defect only type and place are logged
            rejection = rejections.of_defect(error)
        return rejection.status, TEXT, f"{rejection.text}\n"

    def _admit(self, environ: Mapping[str, str]) -> None:
        """Raise what a request is rejected for."""
        keys, proxies = self._settings.otp_api_keys, self._settings.otp_trusted_proxies
        if not self._is_open and not client.is_local(environ, proxies):
            raise Forbidden("These metrics are for this machine alone: set OTP_API_KEYS to allow others")
        if not self._is_open and environ.get("HTTP_HOST") not in self._hosts:  # a web page that rebinds its own name
            raise InvalidInput("The Host header names no host of this server")
        shown = shown_key(environ.get("HTTP_AUTHORIZATION"), environ.get("HTTP_X_API_KEY"))
        caller = identified(shown, client.address(environ, proxies), keys, self._wrong_keys.count)
        if self._is_open and not caller.authenticated:
            raise Unauthorized("An API key is needed: Authorization: Bearer KEY")
        if caller.authenticated and "metrics" not in caller.scopes:
            raise Forbidden("This API key may not do that")


class _Server(socketserver.ThreadingTCPServer):
    """One request for each connection, a few at a time, and none for longer than SECONDS."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str, port: int, answer: Callable[[str, Mapping[str, str]], Answer]) -> None:
        self.answer, self._places = answer, BoundedSemaphore(MOST)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Request)

    def get_request(self) -> Any:
        """Take a connection. Without a free descriptor it waits, or this thread would try again all the time."""
        try:
            return super().get_request()
        except OSError:
            time.sleep(PAUSE)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin with a connection, or close it at once where too many are under way."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread could start, which would give the place back
            self._places.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Read and answer in a thread of its own."""
        end = Timer(SECONDS, _cut, (request,))
        end.daemon = True
        try:
            end.start()
            super().process_request_thread(request, client_address)
        except RuntimeError:  # no thread could start that cuts it off
            self.handle_error(request, client_address)
            self.shutdown_request(request)
        finally:
            end.cancel()
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Say nothing of a client that is gone: its address is in no log."""
        warn_seldom("metrics: a reader was not answered")


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:  # it has ended by itself
        return


class _Request(BaseHTTPRequestHandler):
    """One GET."""

    server: _Server
    server_version, sys_version = "otp_app", ""

    def setup(self) -> None:
        """Read no more than a head: http.server reads a hundred lines of 64 KiB, before it is known whose they are."""
        super().setup()
        self.rfile = _Head(self.rfile)  # type: ignore[assignment]

    def do_GET(self) -> None:
        """Answer it, and end the connection."""
        environ = {"REMOTE_ADDR": str(self.client_address[0]), "SERVER_PROTOCOL": self.request_version}
        for name in self.headers:
            apart = "_" * ("_" in name)  # X_Forwarded_For is no X-Forwarded-For: a proxy may let a client write it
            environ[f"HTTP_{name.upper().replace('-', '_')}{apart}"] = ",".join(self.headers.get_all(name, []))
        self._say(*self.server.answer(self.path, environ))

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Reject what cannot be read, without a word of it."""
        self.close_connection = True
        self._say(int(code), TEXT, "This request is not answered\n")

    def _say(self, status: int, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log no request."""


class _Head:
    """The stream of a request, as far as MOST_HEAD."""

    def __init__(self, stream: Any) -> None:
        self._stream, self._room, self.close = stream, MOST_HEAD, stream.close

    def readline(self, size: int) -> bytes:
        """Return the next line. Raises LineTooLong, which is answered, where the head goes on."""
        if self._room <= 0:
            raise LineTooLong("head")
        line: bytes = self._stream.readline(min(size, self._room))
        self._room -= len(line)
        return line
