"""gunicorn, as this server needs it: values from the settings, and refusals of what is unsafe.

It ends with status 78 where a person has to change something, with 75 where a shared store is away just now.
"""

from __future__ import annotations

import errno
import gc
import os
import signal
import socket
import sys
import time
from functools import partial

from otp_app import startup
from otp_app.core.errors import OtpError
from otp_app.logs import log, set_up
from otp_app.settings import keyring
from otp_app.startup import refusals, reloading
from otp_app.store import sharing
from otp_app.web.gunicorn import descriptors


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
_memory = "/dev/shm"  # noqa: S108 - a folder in memory where there is one: a slow disk must not stop the heartbeat

bind = f"{_host}:{_settings.port}"
worker_class = "otp_app.web.gunicorn.worker.HttpWorker"  # gthread, with errors that repeat no input
workers = _settings.web_concurrency
threads = _settings.otp_threads + 32  # so many sends at once, and the rest for everything else
worker_connections = descriptors.connections(descriptors.raise_limit(), threads)

timeout = 30  # a worker whose main loop stands still this long is replaced; requests have deadlines of their own
graceful_timeout = 30
keepalive = 75  # longer than nginx keeps an idle connection, so that none is closed just as a request comes
limit_request_line = 2048
limit_request_fields = 50
limit_request_field_size = 8190
forwarded_allow_ips = ""  # the application decides whom to believe: OTP_TRUSTED_PROXIES
control_socket_disable = True  # two servers of one user would share its path
worker_tmp_dir = _memory if os.access(_memory, os.W_OK) else None

loglevel = _settings.otp_log_level.lower()
logger_class = "otp_app.web.gunicorn.worker.HttpLog"
set_up(_settings.otp_log_level)


def on_starting(server):
    """Refuse what must not run, and make the keys before any worker needs them."""
    settings, faults, status = _checked(server.cfg.address)
    if server.cfg.preload_app:
        faults.append("--preload: workers would keep the first settings, revoked keys too: leave it out")
    if faults:
        _refuse(faults, status or os.EX_CONFIG)
    if refusals.needs_one_process(_settings):
        if server.cfg.workers > 1:
            _refuse([_one_worker])
        server.handle_ttin = server.handle_usr2 = lambda: server.log.error(_one_worker)
    if taken := _taken(server.cfg.address):
        _refuse(taken, os.EX_TEMPFAIL)
    type(server).APP_LOAD_ERROR = os.EX_CONFIG  # of a worker that cannot begin, and so of the server
    reloading.accept(settings)
    server.log.info("Channels: %s", ", ".join(_settings.otp_channels))
    server.handle_int = server.handle_term  # Ctrl-C finishes what has begun, as TERM does; a second one does not wait
    server.handle_hup = partial(_reload, server, server.handle_hup)
    server.app.reload = partial(_read_again, server, server.app.reload)


def on_reload(server):
    """Hand the new settings to the new workers."""
    reloading.accept(_settings)
    server.log.info("Channels: %s", ", ".join(_settings.otp_channels))


def pre_fork(server, worker):
    """Load the code where all processes can share its memory; only settings, keys and stores are each worker's own.

    So HUP brings new settings and never new code, which would be mixed with the old: that takes a restart.
    """
    from otp_app import app, channels  # after the refusals, which should not wait for it

    app.blueprints(_settings)
    try:
        for channel in channels.open_channels(_settings):
            channel.close()
    except ValueError as error:
        if not _is_replacement(server, worker):
            raise
        log.error("%s", error)
        time.sleep(1)  # the worker will not begin either, and is started again
    gc.collect()
    gc.freeze()  # the collector must not touch, and so copy, what is shared


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
    """Look at inherited sockets too (fd://, socket activation): their addresses are not known before."""
    if faults := _reachable(_settings, [listener.sock.getsockname() for listener in server.LISTENERS]):
        _refuse(faults)


def post_worker_init(worker):
    """Tune the worker before its first request."""
    # Under load a request waits for a switch of threads many times: 0.5 ms instead of 5 shortens the slowest ones.
    sys.setswitchinterval(0.0005)
    # Ctrl-C in a terminal reaches the workers too: they finish, as the master will ask them to.
    signal.signal(signal.SIGINT, worker.handle_exit)


def worker_exit(_server, worker):
    """Close the services. A worker that was asked to stop has answered by now what it had begun."""
    if app := getattr(worker, "wsgi", None):
        app.extensions["otp"].close()


def _taken(addresses):
    """A line for each address that another program listens on: gunicorn itself would try for 5 s and log ten lines."""
    if "GUNICORN_FD" in os.environ or "LISTEN_FDS" in os.environ:  # the sockets are inherited, so they are our own
        return []
    return [
        f"PORT: {port} of {host} is in use by another program: stop that program, or set another PORT"
        for host, port in (address for address in addresses if isinstance(address, tuple))
        if _in_use(host, port)
    ]


def _in_use(host, port):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gunicorn does: a closed socket is no hindrance
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def _reload(server, reload):
    """SIGHUP with settings that do not load would end gunicorn, as would every fault on the way; so it goes on as it
    was, and says why.

    Only callers that these settings do not name any more are out, whatever else is wrong.
    """
    running = reloading.accepted()
    try:
        settings, faults, _ = _checked(server.cfg.address, running)
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
    narrowed = reloading.narrowed(running)
    if out := reloading.revoked(running, narrowed):
        server.log.error("Not accepted any more: %s", ", ".join(out))
        reloading.accept(narrowed)
        for _ in range(server.num_workers):
            server.spawn_worker()
        server.manage_workers()  # ends the old ones


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
    """The settings of this moment with their keys, every reason not to run with them, a line each, and the exit status.

    Workers that come later must not need the key file.
    """
    try:
        settings = startup.load()
        if running and (opening := reloading.refusals(running, settings)):
            return None, opening, os.EX_CONFIG
        if reachable := _reachable(settings, addresses):
            return None, reachable, os.EX_CONFIG
        for line in startup.prepare(settings):
            log.warning(line)
        if fault := startup.directory_fault(settings):
            if running:  # whose workers still have the users of before
                return None, [fault], os.EX_CONFIG
            log.warning(fault)  # the directory may come later, and until then its users get 503
        return keyring.held(settings), [], os.EX_OK
    except keyring.BadKeyFile as error:
        return None, [str(error)], os.EX_CONFIG
    except startup.BadSettings as error:
        return None, error.faults, os.EX_CONFIG
    except OtpError as error:
        # A server elsewhere may come back by itself, as after a power cut: systemd tries again.
        elsewhere = sharing(settings.otp_store_url) == "network"
        return None, [f"OTP_STORE_URL: {error}"], os.EX_TEMPFAIL if elsewhere else os.EX_CONFIG


def _reachable(settings, addresses):
    """A line for each bound address that others can reach while nothing says that they may."""
    return [fault for address in addresses if (fault := refusals.bound(settings, address))]
