"""Workers in the place of those that ended."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from otp_app.logs import warn_seldom


def spawn(server: Any, spawn_workers: Callable[[], None]) -> None:
    """Start the workers that are missing, for gunicorn's master, which asks every second.

    Where the system has no process, file or memory for one more, gunicorn itself would end those that run, and exit.
    """
    is_start = not server.worker_age
    try:
        spawn_workers()
    except OSError as error:
        if is_start or os.getpid() != server.pid:
            raise
        warn_seldom(f"no worker can be started in the place of one that ended: {error.strerror}")
