"""The application with a clock that the test sets forward: by the seconds in the file that CLOCK_OFFSET_FILE names."""

import os
from pathlib import Path

from otp_app import create_app, startup
from otp_app.core.instant import Instant
from otp_app.system.clock import system_clock
from otp_app.wiring import build

_OFFSET = Path(os.environ["CLOCK_OFFSET_FILE"])
_read = system_clock()


def clock() -> Instant:
    """The time of this machine, and what the test adds."""
    offset, now = float(_OFFSET.read_text(encoding="ascii")), _read()
    return Instant(now.wall + offset, now.boot, now.uptime + offset)


app = create_app(services=build(startup.load(), clock))
