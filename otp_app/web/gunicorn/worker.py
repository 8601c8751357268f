"""The worker's main loop: it accepts connections, receives requests, and ends what takes a client too long.

gunicorn's own puts parts of the request into its log and its HTML answer: a body that comes where a request line should
be would leave a code there.
"""

from __future__ import annotations

import errno
import selectors
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from otp_app.system.logs import log
from otp_app.web import polling, sole_worker
from otp_app.web.gunicorn import respawning
from otp_app.web.gunicorn.answering import AnsweringWorker, reject
from otp_app.web.gunicorn.connection import Connection

#: What `accept` says when the process or the system has nothing left for one more connection
EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
ACCEPT_PAUSE = 0.5  # seconds
WARN_EVERY = 60.0  # seconds
LOOK_EVERY = 0.25  # seconds, for connections past their deadline
MOST_HELD = 32 * 1024 * 1024  # bytes of requests and answers that slow clients keep here, all together
LINGER = 2.0  # seconds until a connection is closed that its client should close


class HttpWorker(AnsweringWorker):
    """Serves requests on threads once they have arrived whole; logs only the kind of a bad one.

    Connections that a client keeps waiting, in the middle of a request, an answer or a close, cost no thread. Each has
    `patience` seconds, and those of one peer are at most a quarter of all: the oldest gives way to a new one. Nor may
    they hold more than MOST_HELD bytes.
    """

    patience = 10.0  # seconds for a request to arrive whole, or for an answer to be read
    _accept_again = 0.0  # when, by the monotonic clock, after the system had no descriptor or memory left
    _warn_again = _look_again = 0.0
    _arrived = 0  # bytes since somebody looked how much slow clients hold

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.share = max(self.worker_connections // 4, 1)
        self.max_keepalived = max(self.worker_connections - self.cfg.threads, self.worker_connections // 2)
        self.slow: dict[str | bytes, dict[Connection, None]] = {}  # by peer, the oldest first
        self._arrived_checks: list[Connection] = []

    @classmethod
    def check_config(cls, cfg: Any, _log: Any) -> None:
        """TLS ends in front of this server. Raises RuntimeError."""
        if cfg.is_ssl:
            raise RuntimeError("certfile, keyfile: this server has no TLS: put a proxy in front, such as nginx")

    def accept(self, listener: Any) -> None:
        """Accept a connection. Where the system cannot give one more, pause: the listening socket stays readable."""
        try:
            sock, client = listener.accept()
        except OSError as error:
            if error.errno in EXHAUSTED:
                self._pause(error)
            elif error.errno not in (errno.EAGAIN, errno.ECONNABORTED):
                raise
            return
        conn = Connection(self.cfg, sock, client, listener.getsockname(), self.plain)
        self.nr_conns += 1
        if self.nr_conns >= self.worker_connections:
            self._make_room()
        self._receive(conn)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Accept connections or not; in a pause not."""
        super().set_accept_enabled(enabled and time.monotonic() >= self._accept_again)

    def on_client_socket_readable(self, conn: Connection, client: Any) -> None:
        """A kept connection's next request begins, or its client closes."""
        if client.fileno() < 0:
            return  # closed to make room, after it had become readable
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        self._receive(conn)

    def enqueue_req(self, conn: Connection) -> None:
        """Hand a request that is whole to a thread."""
        threads = self.threads_for(conn)
        if threads is self.checks:
            self._arrived_checks.append(conn)
        else:
            threads.submit(conn)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait as gunicorn does, then hand over all checks that have arrived: their thread takes all that wait."""
        super().wait_for_and_dispatch_events(timeout)
        for conn in self._arrived_checks:
            self.checks.submit(conn)
        self._arrived_checks.clear()

    def finish_request(self, conn: Connection, keep: Any) -> None:
        """Go on with a connection whose request was answered: its answer's rest, its next request, or its end."""
        try:
            conn.leaving = not keep
            if conn.sock.unsent:
                self._watch(conn, selectors.EVENT_WRITE, self._flush)
            else:
                self._go_on(conn)
        except Exception:  # noqa: BLE001 - as gunicorn does: whatever it is, it ends this connection only
            self._close(conn)

    def _go_on(self, conn: Connection) -> None:
        if conn.leaving:
            conn.sock.shutdown(socket.SHUT_WR)  # and read on: closed with unread bytes the answer could be lost
            self._watch(conn, selectors.EVENT_READ, self._drain, LINGER)
        elif conn.has_more() or conn.ended:
            self._wait_for_request(conn)
        else:
            conn.set_timeout()
            if not self.alive:
                conn.timeout = min(conn.timeout, time.monotonic() + LINGER)
            self.keepalived_conns.append(conn)
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_client_socket_readable, conn))

    def _receive(self, conn: Connection) -> None:
        before = len(conn.received)
        try:
            conn.receive()
            self._arrived += len(conn.received) - before
            self._wait_for_request(conn)
        except OSError:
            self._close(conn)
        if self._arrived > MOST_HELD // 8:
            self._hold_less()

    def _wait_for_request(self, conn: Connection) -> None:
        if conn.ended and not conn.received:
            self._close(conn)
        elif conn.ended or (conn.received and conn.is_ready()):
            self._unwatch(conn)
            self.enqueue_req(conn)
        elif conn not in self.slow.get(conn.peer, ()):
            self._watch(conn, selectors.EVENT_READ, self._receive)

    def _flush(self, conn: Connection) -> None:
        try:
            conn.sock.flush()
            if not conn.sock.unsent:
                self._unwatch(conn)
                self._go_on(conn)
        except OSError:
            self._close(conn)

    def _drain(self, conn: Connection) -> None:
        conn.receive()
        conn.received.clear()
        if conn.ended:
            self._close(conn)

    def _watch(self, conn: Connection, event: int, then: Callable[[Connection], None], seconds: float = 0.0) -> None:
        """Call `then` as soon as the client lets the connection go on."""
        conn.until = time.monotonic() + (seconds or self.patience)
        self.poller.register(conn.sock, event, partial(self._on_event, conn, then))
        others = self.slow.setdefault(conn.peer, {})
        if len(others) >= self.share:
            self._close(next(iter(others)))
        self.slow.setdefault(conn.peer, others)[conn] = None  # again: with its last connection a peer is out

    def _on_event(self, conn: Connection, then: Callable[[Connection], None], client: Any) -> None:
        if client.fileno() >= 0:  # otherwise it was closed to make room, after this event
            then(conn)

    def _unwatch(self, conn: Connection) -> None:
        of_peer = self.slow.get(conn.peer, {})
        if conn in of_peer:
            del of_peer[conn]
            self.poller.unregister(conn.sock)
            if not of_peer:
                del self.slow[conn.peer]

    def _close(self, conn: Connection) -> None:
        self._unwatch(conn)
        self.nr_conns -= 1
        conn.close()

    def _make_room(self) -> None:
        """Close the oldest slow connection of the peer that has most of them, or else the one that is idle longest."""
        if self.slow:
            most = max(self.slow.values(), key=lambda conns: len(conns))
            self._close(next(iter(most)))
        elif self.keepalived_conns:
            conn = self.keepalived_conns.popleft()
            self.poller.unregister(conn.sock)
            self._close(conn)

    def murder_pending(self) -> None:
        """Close slow connections past their deadline; when the worker stops, also those without a request."""
        now = time.monotonic()
        if now < self._look_again:
            return
        self._look_again = now + LOOK_EVERY
        for conn in [conn for conns in self.slow.values() for conn in conns]:
            waited = self.patience - (conn.until - now)
            if conn.until <= now or not (self.alive or conn.received or conn.leaving or waited < LINGER):
                self._time_out(conn)
        self._hold_less()

    def _hold_less(self) -> None:
        """Close slow connections where they hold too much: of the peer that holds most the oldest, again and again.

        What several hold together, such as a file of a page, is here once, whoever of them is closed.
        """
        self._arrived = 0
        slow = [conn for conns in self.slow.values() for conn in conns]
        holders = Counter(id(conn.held) for conn in slow)
        own = [(conn, len(conn.held)) for conn in slow if holders[id(conn.held)] == 1]
        excess, of_peer = sum(size for _, size in own) - MOST_HELD, Counter[str | bytes]()
        for conn, size in own if excess > 0 else ():
            of_peer[conn.peer] += size
        while excess > 0:
            most = of_peer.most_common(1)[0][0]
            conn, size = next(pair for pair in own if pair[0].peer == most)
            own.remove((conn, size))
            of_peer[most] -= size
            excess -= size
            self._time_out(conn)

    def _time_out(self, conn: Connection) -> None:
        if conn.received:
            reject(conn.sock, 408, "Request Timeout")
        self._close(conn)

    def _pause(self, error: OSError) -> None:
        self._make_room()
        now = time.monotonic()
        self._accept_again = now + ACCEPT_PAUSE
        self.set_accept_enabled(False)
        if now >= self._warn_again:
            self._warn_again = now + WARN_EVERY
            log.warning("no new connections for a moment: %s", error.strerror)

    def init_signals(self) -> None:
        """Leave the signals of a reload to the master, as where `pkill -HUP gunicorn` sends them to every process.

        gunicorn's own workers end by them at once, with all their requests.
        """
        super().init_signals()
        for own in (signal.SIGHUP, signal.SIGUSR2):
            signal.signal(own, signal.SIG_IGN)
        respawning.let_signals_come()

    def handle_exit(self, sig: Any, frame: Any) -> None:
        """Finish, and let the worker that comes in this one's place have the store in memory meanwhile."""
        sole_worker.release()
        is_first = self.alive  # of several signals; a second one must not come in the middle of `end`
        super().handle_exit(sig, frame)
        if is_first:
            polling.end()
