"""web/gunicorn/worker.py by itself; tests/deploy/test_slow_clients.py has it serving."""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import InvalidHeader

from otp_app.system import logs
from otp_app.system.logs import JsonLines, Lines, TextLines
from otp_app.web.gunicorn import worker as http_worker
from otp_app.web.gunicorn.log import HttpLog
from otp_app.web.gunicorn.worker import HttpWorker


class Listener:
    """A listening socket that is readable, and from which nothing can be accepted."""

    def __init__(self, error: int) -> None:
        self.error, self.asked = error, 0

    def accept(self) -> Any:
        self.asked += 1
        raise OSError(self.error, os.strerror(self.error))

    def setblocking(self, flag: bool) -> None:
        """Do nothing."""


class Poller:
    """Knows what is registered."""

    def __init__(self) -> None:
        self.watched: dict[Any, Any] = {}

    def register(self, what: Any, _: int, callback: Any) -> None:
        self.watched[what] = callback

    def unregister(self, what: Any) -> None:
        del self.watched[what]


def worker(listener: Listener) -> Any:
    cfg = SimpleNamespace(worker_connections=10, threads=4)
    worker: Any = HttpWorker.__new__(HttpWorker)
    worker.cfg, worker.sockets, worker.poller, worker._accepting, worker.nr_conns = cfg, [listener], Poller(), False, 0
    worker.slow, worker.keepalived_conns = {}, deque()
    worker.set_accept_enabled(True)
    return worker


@pytest.mark.parametrize("error", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM], ids=errno.errorcode.get)
def test_a_worker_outlives_the_end_of_descriptors(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: int
) -> None:
    """It accepts nothing for a moment, does not look at the socket meanwhile, says so once, and then goes on."""
    now = [100.0]
    monkeypatch.setattr(http_worker.time, "monotonic", lambda: now[0])
    listener = Listener(error)
    served = worker(listener)
    for _ in range(3):
        served.poller.watched[listener](listener)
        assert served.poller.watched == {}
        served.set_accept_enabled(True)
        assert served.poller.watched == {}
        now[0] += http_worker.ACCEPT_PAUSE
        served.set_accept_enabled(True)
        assert listener in served.poller.watched
    assert listener.asked == 3
    assert [record.getMessage() for record in caplog.records] == [
        f"no new connections for a moment: {os.strerror(error)}"
    ]


def test_another_fault_of_a_listening_socket_is_not_hidden() -> None:
    listener = Listener(errno.EBADF)
    served = worker(listener)
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        served.poller.watched[listener](listener)


def test_what_is_no_request_fills_no_disk(caplog: pytest.LogCaptureFixture) -> None:
    """By default no line is written for it: anybody can send it."""
    caplog.set_level(logging.INFO, "otp_app")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        worker(Listener(errno.EBADF)).handle_error(None, ours, None, InvalidHeader("x"))
        assert theirs.recv(100).startswith(b"HTTP/1.1 400 ")
    assert caplog.records == []


def test_the_master_waits_for_no_reader_of_its_log() -> None:
    """Its one handler, also after a reload, is the server's own."""
    logging.getLogger("gunicorn.error").handlers.clear()
    config = Config()
    messages = HttpLog(config)
    try:
        messages.setup(config)
        (handler,) = messages.error_log.handlers
        assert isinstance(handler, Lines)
        assert isinstance(handler.formatter, JsonLines)
    finally:
        messages.error_log.handlers.clear()


def test_gunicorns_lines_have_the_form_of_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """OTP_LOG_FORMAT holds for it too, and is read again at a reload."""
    monkeypatch.setattr(logs, "_form", "text")
    messages = HttpLog(Config())
    try:
        assert {type(handler.formatter) for handler in messages.error_log.handlers} == {TextLines}
        monkeypatch.setattr(logs, "_form", "json")
        messages.setup(Config())
        assert {type(handler.formatter) for handler in messages.error_log.handlers} == {JsonLines}
    finally:
        messages.error_log.handlers.clear()


def test_the_configuration_of_gunicorn_is_not_logged() -> None:
    """At DEBUG it would be, and the option -e NAME=VALUE in it may set a secret."""
    written: list[str] = []
    messages: Any = HttpLog.__new__(HttpLog)
    messages.error_log = SimpleNamespace(debug=lambda text, **_: written.append(text))
    messages.debug("Current configuration:\n  raw_env: ['OTP_INDEX_KEY=s3cret']")
    assert written == ["Current configuration"]
