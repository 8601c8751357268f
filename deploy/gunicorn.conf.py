"""gunicorn's configuration: values from the settings, and a check that refuses unsafe starts and reloads.

gunicorn exits with status 78 if an operator must change something, and with 75 if a shared store or the address to
listen on is unavailable, or an SQLite file is locked or has no room.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

from otp_app import startup
from otp_app.core.errors import OtpError
from otp_app.logs import log, set_up
from otp_app.settings import keyring
from otp_app.startup import fallback, listening, reloading, rules
from otp_app.store import sharing
from otp_app.web import polling
from otp_app.web.gunicorn import descriptors, respawning


def _refuse(faults, status=os.EX_CONFIG):
    sys.stderr.writelines(f"{fault}\n" for fault in faults)
    sys.exit(status)


def _load():
    try:
        return startup.load()
    except startup.BadSettings as error:
        _refuse(error.faults)


_settings = reloading.offered() or _load()
_host = f"[{_settings.host}]" if ":" in _settings.host else _settings.host
_one_worker = "OTP_STORE_URL: a store in memory is for one worker: set OTP_STORE_URL=sqlite:///var/otp.db for more"
_too_late = (
    "-e, --chdir: gunicorn reads HOST, PORT, WEB_CONCURRENCY, OTP_THREADS and OTP_LOG_LEVEL before it follows these "
    "options: start it with these variables, in the folder of .env"
)
_memory = "/dev/shm"  # noqa: S108 - in memory, because a slow disk must not stop the heartbeat

bind = f"{_host}:{_settings.port}"
worker_class = "otp_app.web.gunicorn.worker.HttpWorker"  # gthread, whose errors repeat no input
workers = _settings.web_concurrency
threads = _settings.otp_threads + polling.MOST + 32  # sends, long polls, and 32 for everything else
worker_connections = descriptors.connections(descriptors.raise_limit(), threads)

timeout = 30  # gunicorn replaces a worker whose main loop hangs this long; requests have their own deadlines
graceful_timeout = 30
keepalive = 75  # longer than nginx keeps an idle connection, so that nginx closes it first
limit_request_line = 2048
limit_request_fields = 50
limit_request_field_size = 8190
forwarded_allow_ips = ""  # the application decides which proxies to trust: OTP_TRUSTED_PROXIES
control_socket_disable = True  # two servers of one user would share the socket
worker_tmp_dir = _memory if os.access(_memory, os.W_OK) else None

loglevel = _settings.otp_log_level.lower()
logger_class = "otp_app.web.gunicorn.log.HttpLog"
set_up(_settings.otp_log_level, _settings.otp_log_format)


def on_starting(server):
    """Exit if the server must not run, and create the keys before a worker needs them."""
    global _settings
    settings, faults, status = _checked(server.cfg.address)
    if server.cfg.preload_app:
        faults.append("--preload: workers would keep the first settings and revoked keys; remove this option")
    file = keyring.database(settings.otp_store_url) if settings else None
    if file and server.cfg.uid not in (os.geteuid(), file.stat().st_uid):
        faults.append(f"--user: {file} has another owner, so workers could not use it: make that user its owner")
    if settings and _read_here(settings) != _read_here(_settings):
        faults.append(_too_late)
    if faults:
        _refuse(faults, status or os.EX_CONFIG)
    _settings = settings
    if rules.needs_one_process(_settings):
        if server.cfg.workers > 1:
            _refuse([_one_worker])
        server.handle_ttin = server.handle_usr2 = lambda: server.log.error(_one_worker)
    if taken := _taken(server.cfg.address):
        _refuse(taken, os.EX_TEMPFAIL)
    type(server).APP_LOAD_ERROR = os.EX_CONFIG  # exit status of a worker that cannot start, and so of the server
    reloading.accept(_settings)
    server.log.info("Channels: %s", ", ".join(_settings.otp_channels))
    server.halt = partial(_halt, server, server.halt)
    server.spawn_worker = partial(respawning.begin, server.spawn_worker)
    server.spawn_workers = partial(respawning.spawn, server, server.spawn_workers)
    server.handle_int = server.handle_term  # Ctrl-C finishes running requests, as TERM does; a second one does not wait
    server.handle_hup = partial(_reload, server, server.handle_hup)
    server.handle_usr2 = partial(_replace, server, server.handle_usr2)
    server.START_CTX["args"] = sys.orig_argv  # gunicorn's own lose `-m`, and its modules then hide those of Python
    server.app.reload = partial(_read_again, server, server.app.reload)


def _read_here(settings):
    """Return the settings that this file gives gunicorn."""
    return settings.host, settings.port, settings.web_concurrency, settings.otp_threads, settings.otp_log_level


def on_reload(server):
    """Hand the new settings to the new workers."""
    reloading.accept(_settings)
    server.log.info("Channels: %s", ", ".join(_settings.otp_channels))


def pre_fork(server, worker):
    """Import the code in the master, so that all workers share its memory. Each worker has its own settings and stores.

    So HUP loads new settings and never new code, which would mix with the old code: new code needs a restart.
    """
    from otp_app import apis, app, channels  # noqa: F401  imported late, so that the checks need not wait for it

    apis.known(_settings.otp_apis)
    try:
        for channel in channels.open_channels(_settings):
            channel.close()
    except ValueError as error:
        if not _is_replacement(server, worker):
            raise
        log.error("%s", error)
        time.sleep(1)  # the worker will not begin either, and is started again
    gc.collect()
    gc.freeze()  # the garbage collector must not touch shared pages, which would copy them
    respawning.hold_signals()


def post_fork(server, worker):
    """Let workers of the start end the server where they cannot begin, and those that replace one try again.

    A channel of the operator's own that opened at the start may fail to open later, and work again after that.
    """
    if _is_replacement(server, worker):
        arbiter = type(server)  # of this process, for wsgi.py too
        arbiter.APP_LOAD_ERROR = arbiter.WORKER_BOOT_ERROR = 1  # a status that the master takes as any


def _is_replacement(server, worker):
    return worker is not None and worker.age > server.num_workers  # workers are numbered as they begin


def when_ready(server):
    """Check inherited sockets (fd://, socket activation), whose addresses are known only now."""
    if faults := _reachable(_settings, [listener.sock.getsockname() for listener in server.LISTENERS]):
        _refuse(faults)


def post_worker_init(worker):
    """Let Ctrl-C end the worker as TERM does."""
    # Ctrl-C in a terminal reaches the workers too. They finish their requests, as after the master's signal.
    signal.signal(signal.SIGINT, worker.handle_exit)
    respawning.let_signals_come()  # where gunicorn's -k names a worker that is not our own


def worker_exit(_server, worker):
    """Close the services. The worker has answered its requests by now."""
    if app := getattr(worker, "wsgi", None):
        app.extensions["otp"].close()


def _halt(server, halt, reason=None, exit_status=0):
    """End with the status of the first worker that could not start; at a second one gunicorn ends with a traceback."""
    arbiter = type(server)
    arbiter.APP_LOAD_ERROR = arbiter.WORKER_BOOT_ERROR = -1  # no worker ends with it
    halt(reason, exit_status)


def _taken(addresses):
    """Return a line for each address that cannot be had; gunicorn would retry for 5 s and log ten lines."""
    if "GUNICORN_FD" in os.environ or "LISTEN_FDS" in os.environ:  # inherited sockets are our own
        return []
    found = (listening.why_not(*address) for address in addresses if isinstance(address, tuple))
    return [line for line in found if line]


def _reload(server, reload):
    """SIGHUP with settings that do not load would end gunicorn, as would every fault on the way; so it goes on as it
    was, and says why.

    Only callers that these settings do not name any more are out, whatever else is wrong.
    """
    running, folder = reloading.accepted(), server.cfg.chdir
    try:
        settings, faults, _ = _checked(server.cfg.address, running)
        if not _is_here(folder):  # gunicorn would go there, to other settings than these and another store
            faults = [f"{folder} is not the folder of the start any more: another one takes a restart"]
        if not faults:
            reloading.offer(settings)  # this file is read again: what it would find by then was not checked
            reload()
            return
    except _ReadNoMore as error:
        faults = [str(error)]
    except Exception as error:  # noqa: BLE001
        log.exception("unexpected error")
        faults = [f"an unexpected error ({type(error).__name__})"]
    server.log.error("Not reloaded: %s", "; ".join(faults))
    with _in(folder):
        narrowed = reloading.narrowed(running)
    if out := reloading.revoked(running, narrowed):
        server.log.error("Not accepted any more: %s", ", ".join(out))
        reloading.accept(narrowed)
        for _ in range(server.num_workers):
            server.spawn_worker()
        server.manage_workers()  # ends the old ones


def _replace(server, replace):
    """SIGUSR2 starts another server at the same sockets, which must not be more open than this one."""
    try:
        _, faults, _ = _checked(server.cfg.address, reloading.accepted())
    except Exception as error:  # noqa: BLE001
        log.exception("unexpected error")
        faults = [f"an unexpected error ({type(error).__name__})"]
    if faults:
        server.log.error("Not replaced: %s", "; ".join(faults))
    else:
        replace()


def _is_here(folder):
    """Whether a folder's name is still that of the one in which the server runs."""
    try:
        return Path().samefile(folder)
    except OSError:
        return False


@contextmanager
def _in(folder):
    """Read what is in the folder of this name by now, if there is one and there is a way back."""
    with ExitStack() as back:
        with suppress(OSError):
            here = os.open(".", os.O_PATH)  # one that this user may enter and not list
            back.callback(os.close, here)
            os.chdir(folder)
            back.callback(os.fchdir, here)
        yield


class _ReadNoMore(Exception):
    """This file is not there any more, or is another one."""


def _read_again(server, read):
    """Read this file as gunicorn does at a reload. Where that fails, it ends: here the values of before stay."""
    config = server.app.cfg
    try:
        read()
    except SystemExit:
        server.app.cfg = config
        os.environ.update(server.cfg.env)  # -e NAME=VALUE, which a reload takes away first
        raise _ReadNoMore(f"{config.config} is not what it was at the start: other code takes a restart") from None


def _checked(addresses, running=None):
    """Return the current settings with their keys, a line for each reason not to run with them, and the exit status.

    The settings contain the keys, because later workers must not need the key file.
    """
    try:
        settings = fallback.without(startup.load()) if running else startup.load()
        if running and (opening := reloading.faults(running, settings)):
            return None, opening, os.EX_CONFIG
        if reachable := _reachable(settings, addresses):
            return None, reachable, os.EX_CONFIG
        settings, lines = fallback.settle(settings)
        for line in lines + startup.prepare(settings):
            log.warning(line)
        unreachable = startup.unreachable(settings)
        if unreachable and running:  # running workers still have the previous users
            return None, unreachable, os.EX_CONFIG
        for line in unreachable:
            log.warning(line)  # the directory may recover, and until then requests get 503
        startup.prepare_apis(settings)
        return keyring.held(settings), [], os.EX_OK
    except keyring.BadKeyFile as error:
        return None, [str(error)], os.EX_CONFIG
    except startup.BadSettings as error:
        return None, error.faults, os.EX_CONFIG
    except OtpError as error:
        # A store on another machine may recover by itself, as after a power failure, and so may a file that is locked
        # or has no room: systemd restarts the server.
        passing = error.passing or sharing(settings.otp_store_url) == "network"
        return None, [f"OTP_STORE_URL: {error}"], os.EX_TEMPFAIL if passing else os.EX_CONFIG


def _reachable(settings, addresses):
    """Return a line for each bound address that others can reach although the settings allow no clients."""
    return [fault for address in addresses if (fault := rules.bound(settings, address))]
