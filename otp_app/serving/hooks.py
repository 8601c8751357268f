"""What gunicorn's master and workers do beside serving: refuse unsafe starts, share the code, close the services."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from otp_app.monitoring.tracing import switch
from otp_app.serving import replacing
from otp_app.serving.checks import checked, reachable, refuse, taken
from otp_app.settings import Settings, keyring
from otp_app.startup import reloading, rules
from otp_app.system.logs import log
from otp_app.web.gunicorn import respawning

ONE_WORKER = "OTP_STORE_URL: a store in memory is for one worker: set OTP_STORE_URL=sqlite:///var/otp.db for more"
TOO_LATE = (
    "-e, --chdir: gunicorn reads HOST, PORT, WEB_CONCURRENCY, OTP_THREADS and OTP_LOG_LEVEL before it follows these "
    "options: start it with these variables, in the folder of .env"
)
PRELOAD = "--preload: workers would keep the first settings and revoked keys; remove this option"
NAMES = ("on_starting", "on_reload", "pre_fork", "post_fork", "when_ready", "post_worker_init", "worker_exit")


class Hooks:
    """gunicorn's hooks, which have its names, for the settings that its values are from."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def _current(self) -> Settings:
        """The settings of workers that begin now: where a module has the configuration, its own are of the start."""
        return reloading.accepted() or self._settings

    def by_name(self) -> dict[str, Callable[..., None]]:
        """Return each hook under its name."""
        return {name: getattr(self, name) for name in NAMES}

    def on_starting(self, server: Any) -> None:
        """Exit if the server must not run, and create the keys before a worker needs them."""
        settings, faults, status = checked(server.cfg.address)
        if server.cfg.preload_app:
            faults.append(PRELOAD)
        file = keyring.database(settings.otp_store_url) if settings else None
        if file and server.cfg.uid not in (os.geteuid(), file.stat().st_uid):
            faults.append(f"--user: {file} has another owner, so workers could not use it: make that user its owner")
        if settings and _read_here(settings) != _read_here(self._settings):
            faults.append(TOO_LATE)
        if faults or not settings:
            refuse(faults, status or os.EX_CONFIG)
        self._settings = settings
        if rules.needs_one_process(settings):
            if server.cfg.workers > 1:
                refuse([ONE_WORKER])
            server.handle_ttin = server.handle_usr2 = lambda: server.log.error(ONE_WORKER)
        if lines := taken(server.cfg.address):
            refuse(lines, os.EX_TEMPFAIL)
        _take_over(server)
        reloading.accept(settings)
        self.on_reload(server)

    def on_reload(self, server: Any) -> None:
        """Say which channels the new workers have."""
        server.log.info("Channels: %s", ", ".join(self._current.otp_channels))

    def pre_fork(self, server: Any, worker: Any) -> None:
        """Import the code in the master, so that all workers share its memory. Each has its own settings and stores.

        So HUP loads new settings and never new code, which would mix with the old code: new code needs a restart.
        """
        from otp_app import apis, channels  # imported late, so that the checks need not wait for it
        from otp_app.serving import app  # noqa: F401

        apis.known(apis.served(self._current))
        if self._current.is_measured:
            from otp_app.monitoring.metrics import counts

            counts.prepare()  # once: workers that end leave their counts to those that follow
        if switch.exporter(os.environ):
            from otp_app.monitoring.tracing import tracer  # noqa: F401
        try:
            for channel in channels.open_channels(self._current):
                channel.close()
        except ValueError as error:
            if not _is_replacement(server, worker):
                raise
            log.error("%s", error)
            time.sleep(1)  # the worker will not begin either, and is started again
        gc.collect()
        gc.freeze()  # the garbage collector must not touch shared pages, which would copy them
        respawning.hold_signals()

    def post_fork(self, server: Any, worker: Any) -> None:
        """Let workers of the start end the server where they cannot begin, and those that replace one try again.

        A channel of the operator's own that opened at the start may fail to open later, and work again after that.
        """
        if _is_replacement(server, worker):
            arbiter = type(server)  # of this process, for the application's module too
            arbiter.APP_LOAD_ERROR = arbiter.WORKER_BOOT_ERROR = 1  # a status that the master takes as any

    def when_ready(self, server: Any) -> None:
        """Check inherited sockets (fd://, socket activation), whose addresses are known only now."""
        if faults := reachable(self._settings, [listener.sock.getsockname() for listener in server.LISTENERS]):
            refuse(faults)
        _say_where(server, self._current)

    def post_worker_init(self, worker: Any) -> None:
        """Let Ctrl-C end the worker as TERM does."""
        # Ctrl-C in a terminal reaches the workers too. They finish their requests, as after the master's signal.
        signal.signal(signal.SIGINT, worker.handle_exit)
        respawning.let_signals_come()  # where gunicorn's -k names a worker that is not our own

    def worker_exit(self, _server: Any, worker: Any) -> None:
        """Close the services. The worker has answered its requests by now."""
        if app := getattr(worker, "wsgi", None):
            app.extensions["otp"].close()


def _say_where(server: Any, settings: Settings) -> None:
    """Log where people can look at first."""
    from otp_app import apis

    base = next((text for text in map(str, server.LISTENERS) if text.startswith("http")), "")
    for name in apis.served(settings):
        for path, what in apis.load_api(name).open_pages(settings).items():
            server.log.info("%s: %s%s", what, base, path)
    server.log.info("All requests: %s/docs", base)


def _read_here(settings: Settings) -> tuple[object, ...]:
    """Return the settings that are gunicorn's values too."""
    return settings.host, settings.port, settings.web_concurrency, settings.otp_threads, settings.otp_log_level


def _take_over(server: Any) -> None:
    """Put our own in the place of what gunicorn's master does at signals, and when workers begin or cannot."""
    type(server).APP_LOAD_ERROR = os.EX_CONFIG  # exit status of a worker that cannot start, and so of the server
    server.halt = partial(_halt, server, server.halt)
    server.spawn_worker = partial(respawning.begin, server.spawn_worker)
    server.spawn_workers = partial(respawning.spawn, server, server.spawn_workers)
    server.handle_int = server.handle_term  # Ctrl-C finishes running requests, as TERM does; a second one does not wait
    server.handle_hup = partial(replacing.reload, server, server.handle_hup)
    server.handle_usr2 = partial(replacing.replace, server, server.handle_usr2)
    server.START_CTX["args"] = sys.orig_argv  # gunicorn's own lose `-m`, and its modules then hide those of Python
    server.app.reload = partial(replacing.read_again, server, server.app.reload)


def _is_replacement(server: Any, worker: Any) -> bool:
    return worker is not None and worker.age > server.num_workers  # workers are numbered as they begin


def _halt(server: Any, halt: Callable[..., None], reason: str | None = None, exit_status: int = 0) -> None:
    """End with the status of the first worker that could not start; at a second one gunicorn ends with a traceback."""
    arbiter = type(server)
    arbiter.APP_LOAD_ERROR = arbiter.WORKER_BOOT_ERROR = -1  # no worker ends with it
    halt(reason, exit_status)
