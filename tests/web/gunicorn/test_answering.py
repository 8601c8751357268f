"""A thread that stays with its connection, and what happens between it, the main loop and the client."""

from __future__ import annotations

import os
import selectors
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger

from otp_app.core.errors import OtpError, StoreUnavailable
from otp_app.web import later, polling
from otp_app.web.gunicorn import worker as http_worker
from otp_app.web.gunicorn.connection import Connection
from otp_app.web.gunicorn.plain import PlainRequests
from otp_app.web.gunicorn.threads import Threads
from otp_app.web.gunicorn.worker import HttpWorker

CLIENT, SERVER = ("127.0.0.1", 50123), ("127.0.0.1", 5000)
GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
PUT = b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"  # for gunicorn's parser
RECEIPT = b"POST /callbacks/a/status/b HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"
WRITTEN = RECEIPT.replace(b"status/b", b"inbound")  # by a person, who waits for the answer
HALF = PUT[:-1]
INVITED = b"PUT /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"


class Stage:
    """A worker with one connection, whose requests the test's own thread answers. Each step is done during one answer,
    so that its effect is there before the thread looks for the next request.
    """

    def __init__(self) -> None:
        cfg = Config()
        cfg.set("worker_connections", 20)
        self.worker: Any = HttpWorker(1, os.getpid(), [], None, 30, cfg, Logger(cfg))
        self.worker.method_queue.init()
        self.worker.poller = selectors.DefaultSelector()
        self.worker.get_thread_pool()
        self.worker.tpool, self.worker.receipts = (Threads(0, lambda _: None) for _ in range(2))  # jobs only wait
        self.worker.wsgi, self.worker._accepting, self.worker.nr_conns = self.answer, True, 1
        self.steps: list[Callable[[], object]] = []
        self.served = 0
        self.size = 2
        ours, self.client = socket.socketpair()
        self.conn = Connection(cfg, ours, CLIENT, SERVER, PlainRequests(cfg))

    def answer(self, _: dict[str, Any], start: Any) -> list[bytes]:
        self.served += 1
        if self.steps:
            self.steps.pop(0)()
        start("200 OK", [("Content-Length", str(self.size))])
        return [b" " * self.size]

    def send(self, data: bytes) -> Callable[[], object]:
        return lambda: self.client.sendall(data)

    def serve(self, *steps: Callable[[], object], stays: bool = True, first: bytes = GET) -> int:
        """Have the first request answered, and those that follow by the same thread. Return how many."""
        self.steps = list(steps)
        self.client.sendall(first)
        self.conn.receive()
        before = self.served
        self.worker._serve(self.conn, stays=stays)
        return self.served - before

    def turn(self) -> None:
        """One turn of the main loop."""
        for key, _ in self.worker.poller.select(0):
            key.data(key.fileobj)

    def back(self) -> None:
        """The main loop takes the connection, exactly once."""
        self.worker.method_queue._queue.get_nowait()()
        assert self.worker.method_queue._queue.empty()

    def given_back(self) -> list[Connection]:
        """The connections that the main loop takes in one turn."""
        taken = list[Connection]()
        self.worker.finish_request = lambda conn, _: taken.append(conn)
        self.worker.method_queue._queue.get_nowait()()
        return taken

    @property
    def waiting(self) -> bool:
        """Whether the main loop has handed the connection to a thread."""
        return bool(self.worker.tpool.has_waiting())

    @property
    def said(self) -> bytes:
        return self.client.recv(65_536)

    def end(self) -> None:
        worker = self.worker
        for each in (self.conn, self.client, worker.poller, worker.method_queue, worker.tmp):
            each.close()


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.end()


@pytest.mark.parametrize("following", [GET, PUT])
def test_a_thread_answers_what_follows_at_once(stage: Stage, following: bytes) -> None:
    """Whoever reads it. Then the main loop has the connection, as one that is kept."""
    assert stage.serve(stage.send(following), stage.send(GET)) == 3
    assert stage.said.count(b"Connection: keep-alive") == 3
    stage.back()
    assert list(stage.worker.keepalived_conns) == [stage.conn]
    stage.client.sendall(GET)
    stage.turn()
    assert stage.waiting
    assert not stage.worker.keepalived_conns


def test_who_waits_for_a_thread_comes_first(stage: Stage) -> None:
    """The connection goes back although its next request is there, which the main loop sees."""
    def step() -> None:
        stage.client.sendall(GET)
        stage.worker.tpool.submit(SimpleNamespace())

    assert stage.serve(step) == 1
    stage.back()
    stage.worker.tpool._jobs.get_nowait()
    stage.turn()
    assert stage.waiting


@pytest.mark.parametrize("change", [
    {"_accepting": False},  # no descriptor is left for another client
    {"alive": False},
])  # fmt: skip
def test_a_thread_does_not_stay_while_connections_have_to_go(stage: Stage, change: dict[str, Any]) -> None:
    def step() -> None:
        stage.client.sendall(GET)
        stage.worker.__dict__.update(change)

    assert stage.serve(step) == 1
    assert (b"Connection: close" in stage.said) is ("alive" in change)


@pytest.mark.parametrize(("first", "second"), [(GET, RECEIPT), (RECEIPT, PUT), (RECEIPT, WRITTEN)])
def test_receipts_and_other_requests_have_threads_of_their_own(stage: Stage, first: bytes, second: bytes) -> None:
    """Whoever stays with a connection hands it on when a request of the other kind follows there, as behind a proxy."""
    pools = [stage.worker.tpool, stage.worker.receipts]
    assert stage.serve(stage.send(first), stage.send(second), first=first) == 2
    stage.back()
    assert [pool.has_waiting() for pool in pools] == [second != RECEIPT, second == RECEIPT]


def test_a_receipt_that_waits_for_a_thread_comes_first(stage: Stage) -> None:
    def step() -> None:
        stage.client.sendall(RECEIPT)
        stage.worker.receipts.submit(SimpleNamespace())

    assert stage.serve(step, first=RECEIPT) == 1


class Together:
    """An application of receipts, and two connections that bring one each."""

    def __init__(self, stage: Stage, faults: list[OtpError | None]) -> None:
        self.stage, self.faults, self.did = stage, faults, list[str]()
        stage.worker.wsgi = self.answer
        ours, self.client = socket.socketpair()
        self.conns = [stage.conn, Connection(stage.worker.cfg, ours, CLIENT, SERVER, PlainRequests(stage.worker.cfg))]
        for client, conn in zip(self.clients, self.conns, strict=True):
            client.sendall(RECEIPT)
            conn.receive()

    @property
    def clients(self) -> list[socket.socket]:
        return [self.stage.client, self.client]

    def answer(self, environ: dict[str, Any], start: Any) -> list[bytes]:
        if fault := environ.get(later.FAULT):
            start(f"503 {fault}", [])
        else:
            environ[later.LATER].append(partial(self.wait, self.faults.pop(0)))
            start("204 No Content", [])
        self.did.append("answer")
        return []

    def wait(self, fault: OtpError | None) -> None:
        self.did.append("wait")
        for client in self.clients[self.did.count("wait") - 1 :]:
            with pytest.raises(BlockingIOError):
                client.recv(1, socket.MSG_DONTWAIT)
        if fault:
            raise fault


@pytest.mark.parametrize("faults", [[None, None], [StoreUnavailable("a"), None], [None, StoreUnavailable("a")]])
def test_receipts_that_wait_are_begun_before_any_is_answered(stage: Stage, faults: list[OtpError | None]) -> None:
    """Each answer leaves once what it says is stored; for one that was not, the application says why."""
    together = Together(stage, list(faults))
    stage.worker._serve_together(*together.conns)
    statuses = [client.recv(65_536).split(b"\r\n")[0] for client in together.clients]
    assert statuses == [b"HTTP/1.1 503 a" if fault else b"HTTP/1.1 204 No Content" for fault in faults]
    assert together.did[:3] == ["answer", "answer", "wait"]
    assert stage.given_back() == together.conns
    together.conns[1].close()
    together.client.close()


def test_what_waits_for_nothing_is_answered_before_the_next_one_begins(stage: Stage) -> None:
    """Such as a rejected receipt: the store may hang, so that the next one takes seconds."""
    together, said = Together(stage, []), list[bytes]()

    def rejected(_: dict[str, Any], start: Any) -> list[bytes]:
        for client in together.clients[: together.did.count("answer")]:
            with suppress(BlockingIOError):
                said.append(client.recv(12, socket.MSG_DONTWAIT))
        together.did.append("answer")
        start("403 Forbidden", [("Content-Length", "0")])
        return []

    stage.worker.wsgi = rejected
    stage.worker._serve_together(*together.conns)
    assert said == [b"HTTP/1.1 403"]
    assert stage.given_back() == together.conns
    together.conns[1].close()
    together.client.close()


def test_threads_of_health_do_not_stay(stage: Stage) -> None:
    """What follows may wait for a store, and these threads are for /healthz alone."""
    assert stage.serve(stage.send(GET), stays=False) == 1


def test_a_worker_stops_while_a_thread_waits_for_the_next_request(stage: Stage) -> None:
    """That request is answered still, and says that the connection ends."""
    receive = stage.conn.receive

    def stopped(**how: Any) -> None:
        receive(**how)
        stage.worker.alive = not stage.served

    stage.conn.receive = stopped  # type: ignore[method-assign]
    assert stage.serve(stage.send(GET)) == 2
    first, second = stage.said.split(b"HTTP/1.1 200 OK")[1:]
    assert (b"keep-alive" in first, b"Connection: close" in second) == (True, True)
    stage.back()
    assert stage.conn.leaving


@pytest.mark.parametrize("beginning", [HALF, INVITED])
def test_a_request_that_is_not_whole_is_the_main_loops(stage: Stage, beginning: bytes) -> None:
    """It has its deadline there, and its rest is awaited there."""
    assert stage.serve(stage.send(beginning)) == 1
    stage.back()
    assert stage.conn in stage.worker.slow[stage.conn.peer]
    assert stage.said.count(b"100 Continue") == (beginning == INVITED)
    stage.client.sendall(b"}" if beginning == HALF else b"{}")
    stage.turn()
    assert stage.waiting
    assert not stage.worker.slow


@pytest.mark.parametrize("rest", [b"", HALF, INVITED])
def test_a_client_that_closes_is_closed_once(stage: Stage, rest: bytes) -> None:
    """Whatever it left behind."""
    def step() -> None:
        stage.client.sendall(rest)
        stage.client.close()

    stage.serve(step)
    stage.back()
    for _ in range(2):
        stage.turn()
        while stage.waiting:
            stage.worker._serve(stage.worker.tpool._jobs.get_nowait(), stays=True)
            stage.back()
    assert (stage.worker.nr_conns, stage.conn.sock.fileno(), stage.worker.slow) == (0, -1, {})


def test_a_client_that_is_gone_before_it_is_invited_is_no_fault(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    receive = stage.conn.receive

    def gone(**how: Any) -> None:
        receive(**how)
        if stage.served:
            stage.client.close()

    stage.conn.receive = gone  # type: ignore[method-assign]
    assert stage.serve(stage.send(INVITED)) == 1
    stage.back()
    stage.turn()
    assert stage.worker.nr_conns == 0
    assert caplog.records == []


def test_an_answer_that_is_not_read_is_the_main_loops(stage: Stage) -> None:
    """No thread stays for its client's next request, and that is answered after the rest."""
    stage.size = 3 << 20
    assert stage.serve(stage.send(GET)) == 1
    stage.back()
    read = bytearray()
    while len(read) < stage.size:
        read += stage.client.recv(1 << 20)
        stage.turn()
    stage.turn()
    assert stage.waiting


def test_what_a_thread_has_is_not_closed_to_make_room(stage: Stage) -> None:
    assert stage.serve(stage.worker._make_room, stage.send(GET)) == 1
    assert stage.serve(stage.send(GET), stage.worker._make_room) == 2
    assert stage.worker.nr_conns == 1


def test_more_connections_than_may_be_kept_are_closed(stage: Stage) -> None:
    stage.worker.keepalived_conns.extend([stage.conn] * stage.worker.max_keepalived)
    assert stage.serve() == 1
    assert b"Connection: close" in stage.said


def test_a_worker_ends_after_its_last_request(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """gunicorn's max_requests. Its long polls do not hold up the worker that comes in its place."""
    ended: list[bool] = []
    monkeypatch.setattr(polling, "end", lambda: ended.append(stage.worker.alive))
    stage.worker.max_requests = 2
    assert stage.serve(stage.send(GET), stage.send(GET)) == 2
    assert not stage.worker.alive
    assert ended == [False]


@pytest.mark.parametrize("data", [GET, PUT])
def test_a_failing_application_is_answered_once(stage: Stage, data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """With 500, whoever read the request; the connection ends."""
    def fail() -> None:
        raise ZeroDivisionError

    stage.serve(fail, first=data)
    assert stage.said.count(b"HTTP/1.1 500 Internal Server Error\r\nConnection: close") == 1
    assert [record.getMessage() for record in caplog.records] == ["request failed"]
    stage.back()
    assert stage.conn.leaving


def test_hooks_and_access_log_of_gunicorn_are_called(stage: Stage) -> None:
    seen: list[Any] = []
    stage.conn.read_plain = None
    stage.worker.cfg.set("pre_request", lambda worker, req: seen.append(req.path))
    stage.worker.cfg.set("post_request", lambda worker, req, environ, resp: seen.append((resp.status, resp.sent)))
    stage.worker.log.access = lambda resp, req, environ, seconds: seen.append(resp.status)
    assert stage.serve() == 1
    assert seen == ["/a", "200 OK", ("200 OK", 2)]


def test_all_requests_of_a_proxys_connection_are_of_the_client_that_it_names(stage: Stage) -> None:
    """With --proxy-protocol it names it once; the later ones would be the proxy's own, so this machine's."""
    stage.conn.cfg.set("proxy_protocol", "auto")
    stage.conn.read_plain, addresses = None, []
    stage.worker.wsgi = lambda environ, start: addresses.append(environ["REMOTE_ADDR"]) or stage.answer(environ, start)
    stage.serve(stage.send(GET), stage.send(PUT), first=b"PROXY TCP4 203.0.113.9 127.0.0.1 50000 5000\r\n" + GET)
    assert addresses == ["203.0.113.9"] * 3


class Slow:
    """Clients of the stage's worker that stop in the middle, each from an address."""

    def __init__(self, stage: Stage) -> None:
        self.worker, self.clients = stage.worker, dict[Connection, socket.socket]()

    def connect(self, address: str, *pieces: bytes) -> Connection:
        """One that sends these pieces, and waits."""
        ours, client = socket.socketpair()
        conn = Connection(self.worker.cfg, ours, (address, 50123), SERVER)
        self.clients[conn] = client
        self.worker.nr_conns += 1
        for piece in pieces:
            client.sendall(piece)
            self.worker._receive(conn)
        return conn

    def ask(self, address: str, body: bytes) -> Connection:
        """One that gets this answer, and does not read."""
        conn = self.connect(address)
        conn.sock.send_answer(b"HTTP/1.1 200 OK\r\n\r\n", body)
        self.worker.finish_request(conn, keep=True)
        return conn

    def open(self) -> list[Connection]:
        """Those that are not closed after the main loop has looked at them."""
        self.worker._look_again = 0.0
        self.worker.murder_pending()
        return [conn for conn in self.clients if conn.sock.fileno() >= 0]


@pytest.fixture
def slow(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    monkeypatch.setattr(http_worker, "MOST_HELD", 1_000_000)
    made = Slow(stage)
    yield made
    for conn, client in made.clients.items():
        conn.close()
        client.close()


def test_slow_clients_hold_little_of_what_they_send(slow: Slow) -> None:
    """Who sends most loses its oldest, and the others nothing: a batch may have 256 KiB, whoever sends it."""
    batch = b"POST /notifications/batch HTTP/1.1\r\nHost: a\r\nContent-Length: 250000\r\n\r\n"
    pieces = [batch, *[b"x" * 15_000] * 15]
    honest = slow.connect("192.0.2.1", *pieces)
    greedy = [slow.connect("192.0.2.2", *pieces) for _ in range(4)]
    assert slow.open() == [honest, *greedy[1:]]
    assert slow.clients[greedy[0]].recv(100).startswith(b"HTTP/1.1 408 ")
    assert not greedy[0].held


def test_slow_clients_hold_little_of_what_they_do_not_read(slow: Slow) -> None:
    """A file that all of them read is there once; what each has of its own counts."""
    file = bytes(700_000)
    readers = [slow.ask("192.0.2.1", file) for _ in range(3)]
    own = [slow.ask("192.0.2.1", bytes([n]) * 600_000) for n in range(2)]
    assert slow.open() == [*readers, own[1]]
