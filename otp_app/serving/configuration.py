"""gunicorn's configuration: values from the settings, and what its master and workers do beside serving.

gunicorn exits with status 78 if an operator must change something, and with 75 if a shared store or the address to
listen on is unavailable, or an SQLite file is locked or has no room.
"""

from __future__ import annotations

import os
from typing import Any

from otp_app import startup
from otp_app.serving.checks import refuse
from otp_app.serving.hooks import Hooks
from otp_app.settings import Settings
from otp_app.startup import reloading
from otp_app.system.logs import set_up
from otp_app.web import polling
from otp_app.web.gunicorn import descriptors

MEMORY = "/dev/shm"  # noqa: S108 - in memory, because a slow disk must not stop the heartbeat


def configuration() -> dict[str, Any]:
    """Return gunicorn's settings by their names, from ours as they are at this moment. Exits where ours do not load."""
    settings = reloading.offered() or _load()
    set_up(settings.otp_log_level, settings.otp_log_format)
    return _values(settings) | _LIMITS | Hooks(settings).by_name()


def _load() -> Settings:
    try:
        return startup.load()
    except startup.BadSettings as error:
        refuse(error.faults)


def _values(settings: Settings) -> dict[str, Any]:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    threads = settings.otp_threads + polling.MOST + 32  # sends, long polls, and 32 for everything else
    return {
        "bind": f"{host}:{settings.port}",
        "workers": settings.web_concurrency,
        "threads": threads,
        "worker_connections": descriptors.connections(descriptors.raise_limit(), threads),
        "worker_tmp_dir": MEMORY if os.access(MEMORY, os.W_OK) else None,
        "loglevel": settings.otp_log_level.lower(),
    }


_LIMITS = {
    "worker_class": "otp_app.web.gunicorn.worker.HttpWorker",  # gthread, whose errors repeat no input
    "logger_class": "otp_app.web.gunicorn.log.HttpLog",
    "timeout": 30,  # gunicorn replaces a worker whose main loop hangs this long; requests have their own deadlines
    "graceful_timeout": 30,
    "keepalive": 75,  # longer than nginx keeps an idle connection, so that nginx closes it first
    "limit_request_line": 2048,
    "limit_request_fields": 50,
    "limit_request_field_size": 8190,
    "forwarded_allow_ips": "",  # the application decides which proxies to trust: OTP_TRUSTED_PROXIES
    "control_socket_disable": True,  # two servers of one user would share the socket
}
