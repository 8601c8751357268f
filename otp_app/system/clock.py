"""The system's clock, as the core wants it."""

from __future__ import annotations

import time
from pathlib import Path

from otp_app.core.instant import Clock, Instant

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def system_clock() -> Clock:
    """Return a clock that reads wall and boot time; where the system names no boot, no age is taken from boot time."""
    try:
        boot = BOOT_ID.read_text(encoding="ascii")[:8]
    except OSError:
        return lambda: Instant(time.time(), "", time.monotonic())  # it goes on, for those that wait

    def now() -> Instant:
        return Instant(round(time.time(), 3), boot, round(time.clock_gettime(time.CLOCK_BOOTTIME), 3))

    return now
