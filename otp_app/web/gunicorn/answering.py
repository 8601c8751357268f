"""The threads' half of the worker: they answer requests that have arrived whole."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from typing import Any

from gunicorn.http import errors, wsgi  # type: ignore[import-untyped]
from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

from otp_app.core.errors import OtpError
from otp_app.system.logs import log
from otp_app.web import callbacks, later, polling
from otp_app.web.application import Application
from otp_app.web.gunicorn.answer import Answer
from otp_app.web.gunicorn.connection import ClientSocket, Connection
from otp_app.web.gunicorn.plain import PlainRequests
from otp_app.web.gunicorn.threads import Threads, collect_seldom, take_turns

#: HTTP status and its words by what is wrong with a request; everything else of gunicorn's own errors is 400
STATUS = {
    errors.LimitRequestLine: (414, "URI Too Long"),
    errors.ExpectationFailed: (417, "Expectation Failed"),
    errors.LimitRequestHeaders: (431, "Request Header Fields Too Large"),
    errors.UnsupportedTransferCoding: (501, "Not Implemented"),
}

HEALTH = b"GET /healthz "  # how its requests begin
RECEIPT_THREADS = 2  # more of them make the requests of users wait
TOGETHER = 8  # receipts that a thread answers at once: each begins its change, and then it waits for the disk
CHECKS_TOGETHER = 256  # one thread has all that wait: two would each wait for the disk, with half of them (decision 59)
STUCK = 0.25  # seconds; a thread that has been at its checks for so long is left alone with them


#: waits, sends an answer, and returns whether the connection may be kept; None: another thread answers
End = Callable[[], bool | None]


class AnsweringWorker(ThreadWorker):  # type: ignore[misc]
    """Answers on threads. A connection belongs to its thread until `finish_request` gives it to the main loop.

    /healthz has threads of its own: all others may wait at once, for a store, a directory or an operator's own code.
    So have receipts, and few of them: a provider waits for seconds, and users must not wait behind its thousands. To
    what people write they wait for an answer, which may take as long as an operator's own code. Checks that arrive
    together have one thread, where nothing but the store is waited for.
    """

    alive: bool
    max_keepalived: int
    plain: PlainRequests | None = None  # None: gunicorn's parser reads every request
    begins_checks = False
    _checking_since = 0.0  # by the monotonic clock; 0: the thread of checks has none

    def get_thread_pool(self) -> Threads[Connection]:
        """Return the threads for everything but /healthz."""
        self.health: Threads[Connection] = Threads(2, partial(self._serve, stays=False))
        self.receipts: Threads[Connection] = Threads(RECEIPT_THREADS, self._serve_together, TOGETHER)
        self.checks: Threads[Connection] = Threads(1, self._check_together, CHECKS_TOGETHER)
        return Threads(self.cfg.threads, partial(self._serve, stays=True))

    def threads_for(self, conn: Connection) -> Threads[Connection]:
        """Return the threads that answer the request that has arrived."""
        if callbacks.RECEIPT.match(conn.received):
            return self.receipts
        if self.begins_checks and conn.received.startswith(later.CHECK) and not self._is_stuck():
            return self.checks
        return self.health if conn.received.startswith(HEALTH) else self.tpool

    def _is_stuck(self) -> bool:
        return 0.0 < self._checking_since < time.monotonic() - STUCK

    def run(self) -> None:
        """Serve until the worker has to end."""
        take_turns()
        collect_seldom()
        if PlainRequests.are_known(self.cfg, self.log):
            self.plain = PlainRequests(self.cfg)
            self.begins_checks = isinstance(self.wsgi, Application) and self.wsgi.begins_checks
        try:
            super().run()
        finally:  # the process would wait for threads that wait for requests
            for threads in (self.tpool, self.health, self.receipts, self.checks):
                threads.shutdown(wait=False)

    def _serve(self, conn: Connection, *, stays: bool) -> None:
        """Answer a connection's request, and, if the thread stays, also those that its client sends at once.

        Such a request takes no turn of the main loop and wakes no second thread, which is half of its cost.
        """
        keep, threads = False, self.threads_for(conn)
        threads = self.tpool if threads is self.checks else threads  # a check that follows another request
        try:
            keep = self.handle(conn)
            while keep and stays and self._is_followed(conn, threads):
                keep = self.handle(conn)
        finally:
            self.method_queue.defer(self.finish_request, conn, keep)

    def _serve_together(self, *conns: Connection) -> None:
        """Answer receipts, for all of which the store waits for its disk once."""
        if len(conns) == 1:
            self._serve(conns[0], stays=True)
        else:
            self._end_all([(conn, self._begin_receipt(conn)) for conn in conns])

    def _check_together(self, *conns: Connection) -> None:
        """Answer checks, for all of which the store waits for its disk once."""
        self._checking_since, ends, arrived = time.monotonic(), list[tuple[Connection, End]](), list(conns)
        try:
            while arrived:
                ends += [(conn, end) for conn in arrived if (end := self._begin_check(conn))]
                arrived = self._late_checks() if 1 < len(ends) < CHECKS_TOGETHER else []
            self._end_all(ends)
        finally:
            self._checking_since = 0.0

    def _begin_check(self, conn: Connection) -> End | None:
        """Begin to answer a check. None: another thread does, as what is not plain is read and answered at once."""
        environ = None if self._is_stuck() else conn.take_plain()
        if environ is None:
            self._pass_on(conn)
            return None
        return self._begin(conn, environ)

    def _pass_on(self, conn: Connection) -> None:
        self.method_queue.defer(self.tpool.submit, conn)

    def _late_checks(self) -> list[Connection]:
        """Return the checks that have arrived meanwhile: clients that were answered together come back together."""
        time.sleep(0)  # for Python's lock, without which the main loop cannot hand anything over
        return self.checks.take()

    def _begin_receipt(self, conn: Connection) -> End:
        environ = conn.take_plain()
        return partial(bool, super().handle(conn)) if environ is None else self._begin(conn, environ)

    def _end_all(self, ends: Iterable[tuple[Connection, End]]) -> None:
        answered = list[tuple[Connection, bool]]()
        for conn, end in ends:
            keep: bool | None = False
            try:
                keep = end()
            except BaseException as error:  # noqa: BLE001 - whatever it is, it ends this request only
                log.error("request failed", exc_info=error)
            if keep is not None:
                answered.append((conn, keep))
        if answered:
            self.method_queue.defer(self._finish_requests, answered)

    def _finish_requests(self, answered: Iterable[tuple[Connection, bool]]) -> None:
        for conn, keep in answered:
            self.finish_request(conn, keep)

    def _begin(self, conn: Connection, environ: dict[str, Any]) -> End:
        """Begin to answer a plain request. A request that leaves nothing to wait for has its answer at once: the next
        one may take long.
        """  # fmt: skip
        waits: list[Callable[[], object]] = []
        answer = Answer({**environ, later.LATER: waits})
        try:
            answer.ask(self.wsgi)
        except BaseException:  # noqa: BLE001 - it comes again, when its answer is needed
            answer = Answer(_anew(answer.environ))
        end = partial(self._send, conn, answer, waits)
        return end if waits else partial(bool, end())

    def _is_followed(self, conn: Connection, threads: Threads[Connection]) -> bool:
        """Whether the next request of a connection is for these threads too, and arrives whole within a moment.

        Who waits for one of them comes first.
        """
        if conn.sock.unsent or conn.has_more() or not self._accepting or threads.has_waiting():
            return False
        try:
            conn.receive(wait=True)
            return bool(conn.received) and self._may_serve(threads, conn) and conn.is_ready()
        except OSError:  # it could not be invited to send its body; the main loop will find its end
            return False

    def _may_serve(self, threads: Threads[Connection], conn: Connection) -> bool:
        """Whether these threads serve the request that has arrived: those of all others serve checks too."""
        found = self.threads_for(conn)
        return found is threads or (found is self.checks and threads is self.tpool)

    def handle(self, conn: Connection) -> bool:
        """Answer the request that has arrived. Return whether its connection may be kept."""
        environ = conn.take_plain()
        if environ is None:
            return bool(super().handle(conn))
        return bool(self._send(conn, Answer(environ)))

    def _send(self, conn: Connection, answer: Answer, waits: Iterable[Callable[[], object]] = ()) -> bool | None:
        """Send an answer once what it says is true, and return whether the connection may be kept.

        None: somebody else was first, so that nothing is stored, and another thread answers the request.
        """
        try:
            for wait in waits:
                try:
                    if wait() is False:
                        conn.anew = _anew(answer.environ)
                        self._pass_on(conn)
                        return None
                except OtpError as error:
                    answer = Answer({**_anew(answer.environ), later.FAULT: error})
                    break
            closes = answer.environ.get("HTTP_CONNECTION", "").lower() == "close"
            return self._respond(answer, conn, closes=closes)
        except OSError:
            log.debug("a client closed the connection before its answer")
        except Exception as error:  # noqa: BLE001 - as gunicorn does
            self.handle_error(None, conn.sock, conn.client, error)
        return False

    def handle_request(self, req: Any, conn: Connection) -> bool:
        """Answer a request that gunicorn's parser has read, for gunicorn's `handle`."""
        begun = time.monotonic()
        self.cfg.pre_request(self, req)
        # a proxy says only once, as it connects, for whom it does
        conn.proxied = req.proxy_protocol_info = req.proxy_protocol_info or conn.proxied
        req._expected_100_continue = False  # noqa: SLF001 - its client was invited before, and gunicorn would again
        _, environ = wsgi.create(req, conn.sock, conn.client, conn.server, self.cfg)
        environ["wsgi.multithread"] = True
        answer = Answer(environ)
        try:
            return self._respond(answer, conn, closes=req.should_close())
        finally:
            self.log.access(answer, req, environ, timedelta(seconds=time.monotonic() - begun))
            self.cfg.post_request(self, req, environ, answer)

    def _respond(self, answer: Answer, conn: Connection, *, closes: bool) -> bool:
        self.nr += 1
        if self.nr >= self.max_requests and self.alive:
            self.log.info("Autorestarting worker after current request.")
            self.alive = False
            polling.end()  # meanwhile nobody accepts
        if answer.status is None:
            answer.ask(self.wsgi)
        keep = not closes and self.alive and self.keeps()
        conn.sock.send_answer(*answer.parts(keep=keep))
        return keep

    def keeps(self) -> bool:
        """Whether one more connection may be kept for a next request."""
        return bool(self.cfg.keepalive) and len(self.keepalived_conns) < self.max_keepalived

    def handle_error(self, _req: Any, client: Any, _addr: Any, exc: BaseException) -> None:
        """Answer a request that cannot be read, in JSON, and close."""
        ours = (errors.InvalidResponseHeader, errors.InvalidResponseHeaderName)
        if isinstance(exc, errors.ParseException) and not isinstance(exc, ours):
            status, words = STATUS.get(type(exc), (400, "Bad Request"))
            log.debug("request rejected: %s", type(exc).__name__)
        else:
            status, words = 500, "Internal Server Error"
            log.error("request failed", exc_info=exc)
        reject(client, status, words)


def _anew(environ: dict[str, Any]) -> dict[str, Any]:
    """Return the environment of a request that is to be answered once more."""
    environ["wsgi.input"].seek(0)  # the view has read it
    return {**{name: value for name, value in environ.items() if name != later.LATER}, later.AGAIN: True}


def reject(client: ClientSocket, status: int, words: str) -> None:
    """Answer what is no request, in JSON."""
    body = json.dumps({"error": words, "error_type": words.lower().replace(" ", "_"), "status": status})
    head = f"HTTP/1.1 {status} {words}\r\nConnection: close\r\nContent-Type: application/json\r\n"
    try:
        client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode("ascii"))
    except OSError:
        log.debug("a client closed the connection before the answer to its bad request")
