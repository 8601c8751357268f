"""How the master starts workers: at the start, and in the place of those that ended."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Collection
from typing import Any

from otp_app.system.logs import log, warn_seldom

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)

_is_beginning = False  # whether `begin` is under way, which lets signals come again in the master


def begin(spawn_worker: Callable[[], int]) -> int:
    """Start one worker, for gunicorn's master. A signal that ends it waits until it can handle it, in `init_signals`.

    Until then it has the master's handlers, and forgets what it gets: the master would wait for 30 s, and kill it.
    """
    global _is_beginning
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    _is_beginning = True
    try:
        return spawn_worker()
    finally:
        _is_beginning = False
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def hold_signals() -> None:
    """Let signals wait, for the hook that comes last before the fork.

    Where an `on_starting` of the operator's own replaces ours, gunicorn starts workers without `begin`, so they do not
    wait: the master would never end.
    """
    if _is_beginning:
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)


def let_signals_come() -> None:
    """Take the signals that have waited, in a worker that can."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


def spawn(server: Any, spawn_workers: Callable[[], None]) -> None:
    """Start the workers that are missing, for gunicorn's master, which asks every second.

    Where the system has no process, file or memory for one more, gunicorn itself would end those that run, and exit.
    """
    is_start = not server.worker_age
    try:
        spawn_workers()
    except OSError as error:
        if is_start:
            raise
        raise_in_child(server, error)
        warn_seldom(f"no worker can be started in the place of one that ended: {error.strerror}")


def renew(server: Any, before: Collection[int]) -> None:
    """Start workers in the place of those with these ids, which end."""
    try:
        for _ in range(server.num_workers):
            server.spawn_worker()
    except OSError as error:
        end(server, before, error)
    else:
        server.manage_workers()  # ends the old ones


def end(server: Any, before: Collection[int], error: Exception) -> None:
    """End the workers with these ids, where no other could be started beside them.

    They have other settings, and perhaps callers that are revoked. The master starts new ones when the system has room.
    """
    raise_in_child(server, error)
    log.error("no worker can be started beside those that run, so these end first (%s)", type(error).__name__)
    for pid in before:
        if pid in server.WORKERS:
            server.kill_worker(pid, signal.SIGTERM)


def raise_in_child(server: Any, error: Exception) -> None:
    """Raise the error again unless this is the master: a process that was forked must not go on as the master."""
    if os.getpid() != server.pid:
        raise error
