"""What the packages of OpenTelemetry say, in our log: without the values, which come from requests and from secrets."""

from __future__ import annotations

import logging
import re

from otp_app.system.logs import warn_seldom

_VALUE = re.compile(r"%[-+ .0-9]*[a-z]")


class Words(logging.Handler):
    """Warn with the words of a line alone, and seldom. Numbers stay: the HTTP status of a collector tells what to do.

    A header of a client that cannot be read would be in it, and the collector's address and headers, which hold keys.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line."""
        given = iter(record.args if isinstance(record.args, tuple) else ())
        said = _VALUE.sub(lambda _: _shown(next(given, None)), str(record.msg))
        kind = record.exc_info[0] if record.exc_info else None
        warn_seldom(f"traces: {said}{f' ({kind.__name__})' if kind else ''}")


def _shown(value: object) -> str:
    return str(value) if isinstance(value, int) else "…"


def take_over() -> None:
    """Let nothing else write what these packages say."""
    packages = logging.getLogger("opentelemetry")
    packages.handlers[:], packages.propagate = [Words()], False
