"""Logs: one line each on standard error, JSON or text. No code, no whole number, no request body ever gets here."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import re
import select
import stat
import termios
import time
import traceback
from array import array
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from threading import Lock
from typing import Any

import msgspec

from otp_app.core.events import Checked, Event, NotChecked, OutcomeLost, Refused, Started, Undelivered

log = logging.getLogger("otp_app")
QUIET = 10.0  # seconds
STANDARD_ERROR = 2
READER_TIMEOUT = 1.0  # seconds that a line waits for a reader of standard error
READER_LOOK = 0.01  # seconds
#: the id of the request that this thread answers, "" where it answers none; each line of its log has it
request_id: ContextVar[str] = ContextVar("request_id", default="")
_form = "json"
_warned: set[str] = set()
_quiet_until: dict[str, float] = {}
_WORD = re.compile(r"[!#-<>-~]++")  # what is printed, but quotation marks, spaces and =


class JsonLines(logging.Formatter):
    """Format a record as one line; control characters come out escaped, so no line can be forged."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line. Of an exception it has the type and the place: its text may hold what nobody should read."""
        return _json(_head(record) | _rest(record))


class TextLines(logging.Formatter):
    """Format the same as one line for people, whose message and values are escaped too."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        head = _head(record)
        rest = "".join(f" {name}={_value(value)}" for name, value in _rest(record).items())
        return f"{head['time']} {head['level']:<7} {head['logger']}: {_escaped(head['message'])}{rest}"


def _json(line: dict[str, Any]) -> str:
    """Return what json.dumps does, in a third of its time where the line is ASCII, as nearly all are."""
    with suppress(UnicodeEncodeError):  # half a character
        data = msgspec.json.format(msgspec.json.encode(line), indent=0)
        if data.isascii():
            return data.decode("ascii")
    return json.dumps(line)


@lru_cache(1)  # many lines are of the same second
def _second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _head(record: logging.LogRecord) -> dict[str, Any]:
    at = f"{_second(int(record.created))}.{int(record.created % 1 * 1000):03d}+00:00"
    return {"time": at, "level": record.levelname, "logger": record.name, "message": record.getMessage()}


def _rest(record: logging.LogRecord) -> dict[str, Any]:
    rest: dict[str, Any] = {**getattr(record, "fields", {})}
    if about := request_id.get():
        rest["request_id"] = about
    if record.exc_info and record.exc_info[0]:
        frames = traceback.extract_tb(record.exc_info[2])
        rest["exception"] = record.exc_info[0].__name__
        rest["at"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-5:]]
    return rest


def _escaped(text: str) -> str:
    return text.encode("unicode_escape").decode("ascii")


def _value(value: object) -> str:
    """Return a value as it is where it is one plain word, and as JSON where it would not be seen where it ends."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text if _WORD.fullmatch(text) else json.dumps(value)


class Lines(logging.Handler):
    """Write each record with one call of the system, so that threads need no lock and do not wait for each other.

    Where nobody reads them, lines are dropped: a full pipe would stop all threads. Each waits for READER_TIMEOUT, so a
    slow reader misses nothing. After a gap, a line says how many are missing.
    """

    def __init__(self) -> None:
        super().__init__()
        self._missing, self._counting = 0, Lock()

    def createLock(self) -> None:  # noqa: N802 - logging calls it so
        """Make none."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        """Write a record that the filters let through. From Python 3.13 on, logging's own method needs a lock."""
        if passed := bool(self.filter(record)):
            self.emit(record)
        return passed

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line, to whatever standard error is now."""
        try:
            if not (_has_room() or (not self._missing and _gets_room())):
                with self._counting:
                    self._missing += 1
                return
            if self._missing and (missing := self._count_anew()):
                self._write(_gap(missing))
            self._write(record)
        except Exception:  # noqa: BLE001 - no line is worth a request
            self.handleError(record)

    def _write(self, record: logging.LogRecord) -> None:
        line = f"{self.format(record)}\n".encode()
        while line:  # a pipe that is nearly full takes a part
            line = line[os.write(STANDARD_ERROR, line) :]

    def _count_anew(self) -> int:
        with self._counting:
            missing, self._missing = self._missing, 0
        return missing


def _gap(missing: int) -> logging.LogRecord:
    text = f"{missing} lines are missing here: nobody read the log"
    return logging.LogRecord(log.name, logging.WARNING, "", 0, text, None, None)


def _gets_room() -> bool:
    end = time.monotonic() + READER_TIMEOUT
    while time.monotonic() < end:
        time.sleep(READER_LOOK)
        if _has_room():
            return True
    return False


def _has_room() -> bool:
    """Whether a line can be written without waiting, even if others write at the same moment.

    A socket tells. A pipe is writable while it has one page left, so here half of it must be left.
    """
    if stat.S_ISFIFO(os.fstat(STANDARD_ERROR).st_mode):
        unread = array("i", [0])
        fcntl.ioctl(STANDARD_ERROR, termios.FIONREAD, unread)
        return unread[0] * 2 <= fcntl.fcntl(STANDARD_ERROR, fcntl.F_GETPIPE_SZ)
    poll = select.poll()
    poll.register(STANDARD_ERROR, select.POLLOUT)
    return bool(poll.poll(0))


def formatter() -> logging.Formatter:
    """Return what writes lines in the form of this process."""
    return TextLines() if _form == "text" else JsonLines()


def set_up(level: str, form: str = "") -> None:
    """Send what this server says from `level` on to standard error, and from other packages warnings and worse.

    `form`: `text` or `json`; "" is text on a terminal, and JSON for programs. Libraries write parts of requests at INFO
    and DEBUG: paths with numbers in them, addresses of clients. An operator's module sets a level for its own logger.
    """
    global _form
    _form = form or ("text" if os.isatty(STANDARD_ERROR) else "json")
    handler = Lines()
    handler.setFormatter(formatter())
    # What no line of ours shows need not be looked up for each (Python's logging HOWTO, "Optimization").
    logging.logThreads = logging.logMultiprocessing = False  # the process is in the lines of gunicorn itself
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(logging.getLevelNamesMapping()[level], logging.WARNING))
    log.setLevel(level)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # its warnings show whole URLs
    logging.getLogger("werkzeug").addFilter(_no_request)


def _no_request(record: logging.LogRecord) -> bool:
    """Whether a record of Werkzeug's development server is one of its start: only those of requests have arguments."""
    return not record.args


def warn_once(line: str) -> None:
    """Log a warning that every request could repeat: once for each process."""
    if line not in _warned:
        _warned.add(line)
        log.warning(line)


def warn_seldom(line: str) -> None:
    """Log a warning that every request could repeat while something lasts: once in QUIET seconds for each line.

    A client must not be able to fill the disk. Lines contain nothing of a request, so they are few.
    """
    now = time.monotonic()
    if now >= _quiet_until.get(line, 0.0):
        _quiet_until[line] = now + QUIET
        log.warning("%s", line)


def log_event(event: Event) -> None:
    """A listener of the service: log each event, and faults as a warning.

    An attempt that is no approval is logged at DEBUG only, so that an attacker cannot fill the disk; and a start, which
    a message follows.
    """
    level = logging.INFO
    if isinstance(event, Refused | Undelivered | OutcomeLost):
        level = logging.WARNING
    elif isinstance(event, Started | NotChecked) or (isinstance(event, Checked) and event.status == "pending"):
        level = logging.DEBUG
    if log.isEnabledFor(level):
        fields = {name: getattr(event, name) for name in event.__struct_fields__}
        # As log.log does, but for a look through the stack for who called.
        log.handle(log.makeRecord(log.name, level, "", 0, type(event).__name__, (), None, extra={"fields": fields}))
