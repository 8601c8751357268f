"""Readings of the clock, which the core is handed."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Instant(NamedTuple):
    """One reading of the clock. Ages are taken from `uptime` within one boot, from `wall` across boots."""

    wall: float  # seconds since the epoch
    boot: str  # names this boot of this machine; "" where the system has no name for it
    uptime: float  # seconds since that boot, including time asleep; never set back


Clock = Callable[[], Instant]
