"""One process for a store in memory. tests/deploy/test_plain_gunicorn.py has what gunicorn's workers make of it."""

from __future__ import annotations

import errno
import multiprocessing
import os
import socket
from pathlib import Path

import pytest

from otp_app.core.errors import StoreUnavailable
from otp_app.web.sole_worker import Claim, listening, release

pytestmark = pytest.mark.slow

CONTEXT = multiprocessing.get_context("fork")


def again(bound):
    """A socket of one's own at the same address."""
    own = socket.socket()
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    own.bind(bound.getsockname())
    return own


def serve(bound, open_socket, loaded, served, done):
    """Load, then listen, then look at a first request and at a second one, as a worker of uvicorn does."""
    for fd in listening():  # servers of other tests, which a fork has too
        os.close(fd)
    claim = Claim()
    claim.take(0)
    loaded.wait()
    own = open_socket(bound)
    own.listen()
    for _ in range(2):
        try:
            claim.check()
            served.put("served")
        except StoreUnavailable:
            served.put("refused")
    done.wait()  # the claim of a process that ends is free


@pytest.mark.parametrize("open_socket", [lambda bound: bound, again], ids=["shared", "SO_REUSEPORT"])
def test_of_processes_that_load_before_they_listen_one_serves(open_socket):
    """Nothing could be claimed while they loaded, so the first request claims it, also where each has a socket."""
    loaded, done, served = CONTEXT.Barrier(3), CONTEXT.Event(), CONTEXT.Queue()
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, open_socket is again)
        bound.bind(("127.0.0.1", 0))
        workers = [CONTEXT.Process(target=serve, args=(bound, open_socket, loaded, served, done)) for _ in range(3)]
        for worker in workers:
            worker.start()
        answers = sorted(served.get(timeout=60) for _ in range(6))
        done.set()
        for worker in workers:
            worker.join(20)
    assert answers == ["refused"] * 4 + ["served"] * 2


def test_a_worker_without_descriptors_leaves_as_others_do(monkeypatch):
    """It cannot look for what it claimed, and its requests must be answered all the same."""
    def closed(_):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Path, "iterdir", closed)
    release()
