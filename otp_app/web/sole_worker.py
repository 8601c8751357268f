"""One process for a store that others cannot share: of all workers that serve at the same sockets, one has the claim.

The claim is a POSIX lock on the listening sockets that workers inherit, so it needs no file, the kernel gives it back
with the process however that ends, and two servers never meet. Where SO_REUSEPORT gives each worker a socket of its own
(granian, gunicorn's --reuse-port), a name in the kernel stands for the address that they share. A process that listens
at nothing yet has no rival to wait for: it is looked at again with its first request, since some servers load the
application before they listen.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import time
from contextlib import suppress
from pathlib import Path

from otp_app.core.errors import StoreUnavailable

_names: dict[tuple[int, str], socket.socket] = {}  # that a process holds, by its id: a fork does not

TIMEOUT = 5.0  # seconds for a worker that leaves, as after HUP
EVERY = 0.05


class SecondWorkerError(Exception):
    """Another worker of this server has the claim. The text is for the operator."""


class Claim:
    """What one application holds; a fork of its process has to claim for itself."""

    def __init__(self) -> None:
        self._pid = 0  # of the process that has served with it

    def take(self, timeout: float = TIMEOUT) -> None:
        """Wait until no other worker has the claim. Raises SecondWorkerError after `timeout` seconds."""
        end = time.monotonic() + timeout
        while not _locked(listening()):
            if time.monotonic() >= end:
                raise SecondWorkerError(
                    "OTP_STORE_URL: a store in memory is for one worker, and another one of this server has it: "
                    "start one worker, or set OTP_STORE_URL=sqlite:///var/otp.db"
                )
            time.sleep(EVERY)

    def check(self) -> None:
        """Raise StoreUnavailable in a process that does not have the claim: the store there is a copy."""
        if self._pid != os.getpid():
            try:
                self.take(0)
            except SecondWorkerError as error:
                raise StoreUnavailable("The store belongs to another worker of this server") from error
            self._pid = os.getpid()


def listening() -> list[int]:
    """Return the descriptors of this process's listening sockets."""
    found = []
    for fd in [int(path.name) for path in Path("/dev/fd").iterdir()]:
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode) and _listens(fd):
                found.append(fd)
        except OSError:  # closed meanwhile, as the one that read the folder
            continue
    return sorted(found)


def release() -> None:
    """Give the claim back before the process ends: it accepts nothing more."""
    with suppress(OSError):  # without a descriptor to look with, the kernel gives it back at the end
        _unlock(listening())


def _listens(fd: int) -> bool:
    return _asked(fd, socket.SO_ACCEPTCONN)


def _asked(fd: int, option: int) -> bool:
    sock = socket.socket(fileno=fd)
    try:
        return bool(sock.getsockopt(socket.SOL_SOCKET, option))
    finally:
        sock.detach()  # to close even a copy of it would end the lock


def _locked(fds: list[int]) -> bool:
    """Lock all, or none."""
    try:
        for fd in fds:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _asked(fd, socket.SO_REUSEPORT):
                _hold_name(fd)
    except OSError:
        _unlock(fds)
        return False
    return True


def _unlock(fds: list[int]) -> None:
    for fd in fds:
        fcntl.lockf(fd, fcntl.LOCK_UN)
    while _names:
        _names.popitem()[1].close()


def _hold_name(fd: int) -> None:
    """Hold the name of a socket's address. Raises OSError where another process has it."""
    sock = socket.socket(fileno=fd)
    name = f"\0otp_app {sock.getsockname()[:2]}"  # the \0 makes it one of no file (unix(7))
    sock.detach()
    if (os.getpid(), name) in _names:
        return
    holder = socket.socket(socket.AF_UNIX)
    try:
        holder.bind(name)
    except OSError:
        holder.close()
        raise
    _names[os.getpid(), name] = holder
