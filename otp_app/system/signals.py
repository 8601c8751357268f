"""The signals of a process that works until it is asked to end."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from otp_app.system.logs import log


def at_end(end: Callable[[], object]) -> None:
    """Call `end` at SIGTERM and SIGINT, and at SIGHUP where that is the end of its terminal.

    Elsewhere SIGHUP is meant as a reload, and would kill the process: systemd takes that for an end that was wanted,
    and does not start it again. SIGUSR1 is for gunicorn, which opens its log files again at it; here it does nothing.
    """
    ends = [signal.SIGTERM, signal.SIGINT] + [signal.SIGHUP] * os.isatty(0)
    signal.signal(signal.SIGHUP, lambda *_: log.warning("HUP does nothing here: new settings take a restart"))
    signal.signal(signal.SIGUSR1, lambda *_: log.warning("USR1 does nothing here: the log goes to standard error"))
    for number in ends:
        signal.signal(number, lambda *_: end())
