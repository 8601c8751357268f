"""gunicorn's threaded worker and its log, with a deadline for requests and errors of our own for what is no HTTP.

gunicorn's put parts of the request into its log and its HTML answer: a body that comes where a request line should be
would leave a code there.
"""

from __future__ import annotations

import errno
import json
import socket
import time
from typing import Any

from gunicorn import util  # type: ignore[import-untyped]
from gunicorn.glogging import Logger  # type: ignore[import-untyped]
from gunicorn.http import errors  # type: ignore[import-untyped]
from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

from otp_app import sole_worker
from otp_app.logs import JsonLines, log

#: HTTP status and its words by what is wrong with a request; everything else of gunicorn's own errors is 400
STATUS = {
    errors.LimitRequestLine: (414, "URI Too Long"),
    errors.ExpectationFailed: (417, "Expectation Failed"),
    errors.LimitRequestHeaders: (431, "Request Header Fields Too Large"),
    errors.UnsupportedTransferCoding: (501, "Not Implemented"),
}
#: What `accept` says when the process or the system has nothing left for one more connection
EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
ACCEPT_PAUSE = 0.5  # seconds
WARN_EVERY = 60.0  # seconds


class HttpLog(Logger):  # type: ignore[misc]
    """gunicorn's own messages in the form of all the others."""

    def setup(self, cfg: Any) -> None:
        """Follow a configuration, at the start and at each reload."""
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(JsonLines())

    def debug(self, msg: str, *_: Any, **kwargs: Any) -> None:
        """Write what gunicorn says at DEBUG without its arguments: those are parts of requests."""
        if words := msg.replace("%s", "").strip(" .:"):
            super().debug(words, **kwargs)


class ClientSocket(socket.socket):
    """A connection whose next request has to be there, body and all, before a deadline.

    gunicorn reads without one: so many clients that stop in the middle of a request as there are threads would stop the
    server, API keys or not.
    """

    patience = 10.0  # seconds
    _end = 0.0

    def begin(self, patience: float) -> None:
        """Start the time of a request."""
        self.patience = patience
        self._end = time.monotonic() + patience

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """Return the next bytes. Whoever is too slow has hung up, as far as gunicorn can tell."""
        try:
            self.settimeout(max(self._end - time.monotonic(), 0.001))
            return super().recv(size, flags)
        except TimeoutError:
            raise ConnectionResetError(errno.ECONNRESET, "the request took too long") from None
        finally:
            self.settimeout(self.patience)


class HttpWorker(ThreadWorker):  # type: ignore[misc]
    """Serves each connection's requests on threads; tells of a bad one by its kind only."""

    patience = 10.0  # seconds for a whole request to arrive
    _accept_again = 0.0  # when, by the monotonic clock, after the system had no descriptor or memory left
    _warn_again = 0.0

    def accept(self, listener: Any) -> None:
        """Accept a connection. Where the system cannot give one more, pause: the listening socket stays readable."""
        try:
            super().accept(listener)
        except OSError as error:
            if error.errno not in EXHAUSTED:
                raise
            self._pause(error)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Accept connections or not; in a pause not."""
        super().set_accept_enabled(enabled and time.monotonic() >= self._accept_again)

    def _pause(self, error: OSError) -> None:
        now = time.monotonic()
        self._accept_again = now + ACCEPT_PAUSE
        self.set_accept_enabled(False)
        if now >= self._warn_again:
            self._warn_again = now + WARN_EVERY
            log.warning("no new connections for a moment: %s", error.strerror)

    def handle_exit(self, sig: Any, frame: Any) -> None:
        """Finish, and let the worker that comes in this one's place have the store in memory meanwhile."""
        sole_worker.release()
        super().handle_exit(sig, frame)

    def handle(self, conn: Any) -> Any:
        """Serve the next request of a connection."""
        if not isinstance(conn.sock, ClientSocket):
            conn.sock = ClientSocket(fileno=conn.sock.detach())
        conn.sock.begin(self.patience)
        return super().handle(conn)

    def handle_error(self, _req: Any, client: Any, _addr: Any, exc: BaseException) -> None:
        """Answer a request that cannot be read, in JSON, and close."""
        ours = (errors.InvalidResponseHeader, errors.InvalidResponseHeaderName)
        if isinstance(exc, errors.ParseException) and not isinstance(exc, ours):
            status, words = STATUS.get(type(exc), (400, "Bad Request"))
            log.info("request refused: %s", type(exc).__name__)
        else:
            status, words = 500, "Internal Server Error"
            log.error("request failed", exc_info=exc)
        body = json.dumps({"error": words, "error_type": words.lower().replace(" ", "_"), "status": status})
        head = f"HTTP/1.1 {status} {words}\r\nConnection: close\r\nContent-Type: application/json\r\n"
        try:
            util.write_nonblock(client, f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode("ascii"))
        except OSError:
            log.debug("a client was gone before it could be told of its bad request")
