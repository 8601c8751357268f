"""Checks that arrive together have one thread, which waits for the store once for all of them."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from otp_app.core.errors import StoreUnavailable
from otp_app.web.client import GIVEN_ID
from otp_app.web.gunicorn.answering import CHECKS_TOGETHER, STUCK
from otp_app.web.gunicorn.connection import Connection
from otp_app.web.gunicorn.plain import PlainRequests
from otp_app.web.gunicorn.threads import Threads
from otp_app.web.later import AGAIN, FAULT, LATER
from tests.web.gunicorn.test_answering import CLIENT, GET, SERVER, Stage

CHECK = b"POST /verify-otp HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    made.worker.begins_checks = True
    made.worker.checks = Threads(0, lambda _: None, CHECKS_TOGETHER)  # jobs only wait
    yield made
    made.end()


def arrive(stage: Stage, request: bytes) -> None:
    """A whole request of a new connection, as far as the main loop."""
    stage.client.sendall(request)
    stage.worker._receive(stage.conn)


def test_the_main_loop_hands_them_over_at_the_end_of_its_turn(stage: Stage) -> None:
    arrive(stage, CHECK)
    assert not stage.worker.checks.has_waiting()
    stage.worker.wait_for_and_dispatch_events(0)
    assert stage.worker.checks._jobs.get_nowait() is stage.conn
    stage.worker.wait_for_and_dispatch_events(0)
    assert not stage.worker.checks.has_waiting()
    assert not stage.waiting


@pytest.mark.parametrize("changes", [
    {"begins_checks": False},  # something else than the store is waited for
    {"_checking_since": time.monotonic() - 2 * STUCK},  # the store hangs: others wait beside each other
])  # fmt: skip
def test_otherwise_all_threads_have_them(stage: Stage, changes: dict[str, Any]) -> None:
    stage.worker.__dict__.update(changes)
    arrive(stage, CHECK)
    assert stage.waiting


def test_the_thread_is_not_stuck_between_its_checks(stage: Stage) -> None:
    times: list[float] = []
    stage.steps = [lambda: times.append(stage.worker._checking_since)]
    arrive(stage, CHECK)
    stage.worker._check_together(stage.conn)
    assert (times[0] > 0.0, stage.worker._checking_since) == (True, 0.0)


@pytest.mark.parametrize(("begun", "together"), [(1, 1), (2, 3)])
def test_checks_that_arrive_while_others_begin_are_answered_with_them(stage: Stage, begun: int, together: int) -> None:
    """But one that is alone does not look for others."""
    clients, conns = list[socket.socket](), list[Connection]()
    for _ in range(3):
        ours, client = socket.socketpair()
        conns.append(Connection(stage.worker.cfg, ours, CLIENT, SERVER, PlainRequests(stage.worker.cfg)))
        clients.append(client)
        client.sendall(CHECK)
        conns[-1].receive()
    stage.steps = [lambda: stage.worker.checks.submit(conns[2])]
    stage.worker._check_together(*conns[:begun])
    assert stage.given_back() == conns[:together]
    for each in (*clients, *conns):
        each.close()


def test_a_thread_that_stays_answers_checks_too(stage: Stage) -> None:
    """A code is often checked through the connection by which it was sent."""
    assert stage.serve(stage.send(CHECK), stage.send(GET), stage.send(CHECK)) == 4


def answering(stage: Stage, wait: Callable[[], object]) -> list[dict[str, Any]]:
    """Have an application of which each first answer is the wait's. Return the environments that it is asked with."""
    asked: list[dict[str, Any]] = []

    def answer(environ: dict[str, Any], start: Any) -> list[bytes]:
        assert environ["wsgi.input"].read(2) == b"{}"
        asked.append(environ)
        environ[GIVEN_ID] = environ.get(GIVEN_ID, "an id")
        if LATER in environ:
            environ[LATER].append(wait)
        start("200 OK" if LATER in environ else "400 BAD REQUEST", [("Content-Length", "0")])
        return []

    stage.worker.wsgi = answer
    return asked


def test_a_check_that_was_in_vain_is_answered_anew_by_another_thread(stage: Stage) -> None:
    """With its whole request, its id, and a mark. Until then its connection is nobody's."""
    asked = answering(stage, lambda: False)
    arrive(stage, CHECK)
    stage.worker._check_together(stage.conn)
    stage.back()
    assert stage.worker.tpool._jobs.get_nowait() is stage.conn
    stage.worker._serve(stage.conn, stays=False)
    assert stage.said.startswith(b"HTTP/1.1 400 BAD REQUEST\r\n")
    assert [(AGAIN in each, each[GIVEN_ID]) for each in asked] == [(False, "an id"), (True, "an id")]
    stage.back()
    assert list(stage.worker.keepalived_conns) == [stage.conn]


def test_a_store_that_fails_is_told_by_the_same_thread(stage: Stage) -> None:
    def fail() -> None:
        raise StoreUnavailable("a")

    asked = answering(stage, fail)
    arrive(stage, CHECK)
    stage.worker._check_together(stage.conn)
    assert stage.said.startswith(b"HTTP/1.1 400 BAD REQUEST\r\n")
    assert [(AGAIN in each, str(each.get(FAULT)), each[GIVEN_ID]) for each in asked] == [
        (False, "None", "an id"), (True, "a", "an id")
    ]  # fmt: skip
    assert stage.given_back() == [stage.conn]


def test_whatever_goes_wrong_ends_one_connection_only(stage: Stage) -> None:
    """And that one is given back, to be closed."""
    def stop() -> None:
        raise SystemExit

    answering(stage, stop)
    arrive(stage, CHECK)
    stage.worker._check_together(stage.conn)
    assert stage.given_back() == [stage.conn]


@pytest.mark.parametrize("stuck", [False, True])
def test_what_may_wait_for_more_has_a_thread_of_its_own(
    stage: Stage, stuck: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What gunicorn's parser reads is answered at once, with a wait of its own; and where the store hangs, all wait."""
    monkeypatch.setattr(stage.worker, "_is_stuck", lambda: stuck)
    arrive(stage, CHECK if stuck else CHECK.replace(b"Host: a", b"Host: a\r\nX: 1\r\nX: 2"))
    stage.worker._check_together(stage.conn)
    assert stage.served == 0
    stage.back()
    assert stage.worker.tpool._jobs.get_nowait() is stage.conn
