"""File descriptors: how many this process may open, and how many of them are for clients."""

from __future__ import annotations

import resource
from contextlib import suppress

MOST = 65_536  # more are of no use here, and hard limits of a billion exist
OWN = 32  # for the log, the listening sockets, gunicorn's pipes, the store's files and connections, a directory
WAITING = 1000  # clients that may wait for their next request while every thread is busy


def raise_limit() -> int:
    """Raise this process's soft limit to its hard one, as far as that is sensible. Return what holds now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # forbidden by a filter of system calls: the soft limit goes on to hold
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else soft


def connections(limit: int, threads: int) -> int:
    """Return how many clients a worker may be connected to, where each of its threads may need a connection as well.

    Half of what is left is for clients where descriptors are few.
    """
    left = max(limit - OWN, 2)
    return min(threads + WAITING, left - min(threads, left // 2))
