"""SIGHUP and SIGUSR2: a server gets other settings, or another server in its place, or goes on as it was."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, cast

from otp_app.serving.checks import checked
from otp_app.settings import Settings
from otp_app.startup import reloading
from otp_app.system.logs import log
from otp_app.web.gunicorn import respawning

#: a module is read once: `-c python:…`, or one that a file of `-c` imports
NOT_READ = (
    "gunicorn has not read its configuration again, because a module has it: WEB_CONCURRENCY, OTP_THREADS and "
    "OTP_LOG_LEVEL take a restart; all other settings are the new ones"
)


class ReadNoMore(Exception):
    """gunicorn's configuration file is not there any more, or is another one."""


def reload(server: Any, begin: Callable[[], None]) -> None:
    """SIGHUP with settings that do not load would end gunicorn, as would every fault on the way; so it goes on as it
    was, and says why.

    Only callers that these settings do not name any more are out, whatever else is wrong.
    """
    running, folder = cast("Settings", reloading.accepted()), server.cfg.chdir  # the start has accepted some
    before = list(server.WORKERS)
    try:
        settings, faults, _ = checked(server.cfg.address, running)
        if not _is_here(folder):  # gunicorn would go there, to other settings than these and another store
            faults = [f"{folder} is not the folder of the start any more: another one takes a restart"]
        if settings and not faults:
            reloading.accept(settings)  # not in a hook, which a configuration of one's own may replace
            reloading.offer(settings)  # gunicorn reads its configuration now: what it would find was not checked
            begin()
            if reloading.offered():
                log.warning(NOT_READ)
            return
    except ReadNoMore as error:
        faults = [str(error)]
    except Exception as error:  # noqa: BLE001
        if reloading.accepted() is not running:  # gunicorn has begun to start workers with the new settings
            respawning.end(server, before, error)
            return
        faults = [_unexpected(error)]
    if reloading.accepted() is not running:
        reloading.accept(running)
    server.log.error("Not reloaded: %s", "; ".join(faults))
    with inside(folder):
        narrowed = reloading.narrowed(running)
    if out := reloading.revoked(running, narrowed):
        server.log.error("Not accepted any more: %s", ", ".join(out))
        reloading.accept(narrowed)
        respawning.renew(server, before)


def replace(server: Any, begin: Callable[[], None]) -> None:
    """SIGUSR2 starts another server at the same sockets, which must not be more open than this one."""
    try:
        _, faults, _ = checked(server.cfg.address, reloading.accepted())
    except Exception as error:  # noqa: BLE001
        faults = [_unexpected(error)]
    if faults:
        server.log.error("Not replaced: %s", "; ".join(faults))
        return
    try:
        begin()
    except OSError as error:
        respawning.raise_in_child(server, error)
        server.log.error("Not replaced: %s", error.strerror)


def read_again(server: Any, read: Callable[[], None]) -> None:
    """Read the configuration as gunicorn does at a reload. Where that fails, it ends: here the values of before stay.

    Raises ReadNoMore.
    """
    config = server.app.cfg
    try:
        read()
    except SystemExit:
        server.app.cfg = config
        os.environ.update(server.cfg.env)  # -e NAME=VALUE, which a reload takes away first
        raise ReadNoMore(f"{config.config} is not what it was at the start: other code takes a restart") from None


def _unexpected(error: Exception) -> str:
    log.exception("unexpected error")
    return f"an unexpected error ({type(error).__name__})"


def _is_here(folder: str) -> bool:
    """Whether a folder's name is still that of the one in which the server runs."""
    try:
        return Path().samefile(folder)
    except OSError:
        return False


@contextmanager
def inside(folder: str) -> Iterator[None]:
    """Read what is in the folder of this name by now, if there is one and there is a way back."""
    with ExitStack() as back:
        with suppress(OSError):
            here = os.open(".", os.O_PATH)  # one that this user may enter and not list
            back.callback(os.close, here)
            os.chdir(folder)
            back.callback(os.fchdir, here)
        yield
