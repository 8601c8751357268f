"""Logs: one line each, JSON or text."""

import json
import logging
import os
import re
import socket
import sys
from contextlib import suppress
from threading import Thread

import pytest

from otp_app.core.events import Canceled, Checked, OutcomeLost, Refused, Sent
from otp_app.system import logs
from otp_app.system.logs import JsonLines, Lines, TextLines, formatter, log, log_event, request_id, set_up

ABOUT = ("VE1", "+1*******671", "login")
SENT = Sent(*ABOUT, "VL1", "sms", "sent", "SM1")
REFUSED = Refused(*ABOUT, "VL1", "sms", "bad_number", 21211, "This is no number")
LOST = OutcomeLost(*ABOUT, "VL1")


@pytest.fixture
def start(capfd, monkeypatch):
    """Set logging up at a level; returns what reads what was written to standard error. Afterwards all is as it was."""
    root = logging.getLogger()
    handlers, levels = root.handlers[:], (root.level, log.level)
    monkeypatch.setattr(logs, "_form", "json")

    def at(level, form=""):
        set_up(level, form)
        return lambda: capfd.readouterr().err

    yield at
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    log.setLevel(levels[1])


def record(message, *arguments, **more):
    made = logging.LogRecord("otp_app", logging.WARNING, "file.py", 1, message, arguments, more.pop("exc_info", None))
    made.__dict__.update(more)
    return made


def line(*what, **more):
    text = JsonLines().format(record(*what, **more))
    assert len(text.splitlines()) == 1
    return json.loads(text)


def test_a_line_is_an_object():
    """With the time in UTC, the level, the logger and the message, arguments filled in."""
    found = line("%s gone", "all", created=1_750_000_000.25)
    assert found == {
        "time": "2025-06-15T15:06:40.250+00:00",
        "level": "WARNING",
        "logger": "otp_app",
        "message": "all gone",
    }


FORGING = ["a\nb", "a\r\nb", "a\x00b", "a\x1b[31mb", "a\u2028b", "a\x85b", 'a"b', "\ud800", "\x7f", "é", "x y=z", "\\n"]


@pytest.mark.parametrize("text", FORGING)
def test_no_line_can_be_forged(text):
    """Control characters and line ends come out escaped, printable ASCII alone is written."""
    written = JsonLines().format(record("%s", text))
    assert written.isascii()
    assert written.replace("\x7f", "").isprintable()
    assert json.loads(written)["message"] == text
    assert '", "level": "WARNING", "' in written  # with the same blanks, for programs that search in lines


@pytest.mark.parametrize("text", FORGING)
def test_no_text_line_can_be_forged(text):
    """Nor a value in one: it ends where it is seen to end."""
    written = TextLines().format(record("%s", text, fields={"reason": text, "last": "x"}))
    assert written.isascii()
    assert written.replace("\x7f", "").isprintable()
    said = written.partition(" otp_app: ")[2].partition(" reason=")
    assert said[0].encode().decode("unicode_escape") == text
    value = said[2].removesuffix(" last=x")
    assert (json.loads(value) if value.startswith('"') else value) == text
    assert value.startswith('"') or not set(value) & set(' "=')


def test_a_text_line_is_for_people(start):
    """What happened, then its fields; the same as JSON has."""
    written = start("INFO", "text")
    request_id.set("7f3b9c0a1d2e4f5a")
    log_event(REFUSED)
    request_id.set("")
    assert re.sub(r"^[^ ]*\+00:00 ", "", written()) == (
        "WARNING otp_app: Refused verification_id=VE1 to=+1*******671 purpose=login send_id=VL1 channel=sms "
        'reason=bad_number provider_code=21211 explanation="This is no number" request_id=7f3b9c0a1d2e4f5a\n'
    )


TEXT_BY_FORM = {("", True): True, ("", False): False, ("text", False): True, ("json", True): False}


@pytest.mark.parametrize(("form", "terminal", "text"), [(*how, text) for how, text in TEXT_BY_FORM.items()])
def test_a_terminal_shows_text_and_programs_get_json(start, monkeypatch, form, terminal, text):
    """Unless OTP_LOG_FORMAT says otherwise: journald and Docker get what they got."""
    monkeypatch.setattr(os, "isatty", lambda fd: terminal)
    start("INFO", form)
    assert isinstance(formatter(), TextLines) == text


def failed(text):
    try:
        raise RuntimeError(text)
    except RuntimeError:
        return sys.exc_info()


def test_of_an_exception_the_text_is_not_shown():
    """It may hold a number or a code; the type and the place are enough to find the fault."""
    found = line("unexpected error", exc_info=failed("+14155552671 has 123456"))
    assert found["exception"] == "RuntimeError"
    assert found["at"][-1].startswith(__file__)
    assert found["at"][-1].endswith(" failed")
    assert "123456" not in json.dumps(found)


def test_of_a_chain_of_exceptions_no_text_is_shown():
    """Nor of its causes, nor of what a traceback already formatted has."""
    try:
        try:
            raise KeyError("+14155552671")
        except KeyError as cause:
            raise RuntimeError("123456") from cause
    except RuntimeError:
        found = JsonLines().format(record("x", exc_info=sys.exc_info(), exc_text="+14155552671", stack_info="123456"))
    assert "123456" not in found
    assert "4155552671" not in found


def test_no_exception_at_hand_is_no_exception():
    """exc_info=True outside an except block."""
    assert "exception" not in line("x", exc_info=(None, None, None))


def test_set_up_writes_to_standard_error(start):
    """Everything of the process, once, from the level on."""
    written = start("WARNING")
    logging.getLogger("some.library").warning("careful")
    log.info("not logged")
    set_up("WARNING")
    log.error("logged")
    assert [json.loads(text)["message"] for text in written().splitlines()] == ["careful", "logged"]


def _handle_with_lock(handler, record):
    """As logging.Handler does from Python 3.13 on."""
    with handler.lock:
        handler.emit(record)


def test_a_line_needs_no_lock_in_any_version_of_python(start, monkeypatch):
    monkeypatch.setattr(logging.Handler, "handle", _handle_with_lock)
    said = start("INFO")
    log.info("here")
    assert json.loads(said())["message"] == "here"


def test_a_line_of_which_a_part_is_taken_is_written_to_its_end(start, monkeypatch):
    """And one that cannot be written fails no request."""
    written, write = start("WARNING"), os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:7]))
    log.error("logged")
    monkeypatch.setattr(os, "write", lambda fd, data: write(-1, data))
    monkeypatch.setattr(logging, "raiseExceptions", False)
    log.error("not logged")
    assert [json.loads(text)["message"] for text in written().splitlines()] == ["logged"]


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING", "ERROR"])
def test_other_packages_say_nothing_of_a_request(start, level):
    """At no level: not the path of one, nor the address of a client whom a limit stops."""
    written = start(level)
    logged = "marker"
    logging.getLogger("flask-limiter").info("ratelimit %s (%s) exceeded", "1/hour", logged)
    logging.getLogger("urllib3.connectionpool").debug('"POST %s" 201', logged)
    logging.getLogger("urllib3.connectionpool").warning("Failed to parse headers (url=%s)", logged)
    logging.getLogger("twilio.http_client").info("Query Params: %s", logged)
    for name in ("redis", "psycopg.pool", "some.library"):
        logging.getLogger(name).info(logged)
    logging.getLogger("werkzeug").info('127.0.0.1 - - "%s" %s', logged, 200)
    assert "marker" not in written()


EVENTS = {
    "sent": (SENT, "INFO"),
    "sent, as far as anybody knows": (Sent(*ABOUT, "VL1", "sms", "unknown", ""), "INFO"),
    "refused": (REFUSED, "WARNING"),
    "outcome lost": (LOST, "WARNING"),
    "wrong attempt": (Checked(*ABOUT, "pending"), "DEBUG"),
    "approved": (Checked(*ABOUT, "approved"), "INFO"),
    "guessed to death": (Checked(*ABOUT, "max_attempts_reached"), "INFO"),
    "canceled": (Canceled(*ABOUT), "INFO"),
}


@pytest.mark.parametrize(("event", "level"), EVENTS.values(), ids=EVENTS)
def test_each_event_has_its_level(start, event, level):
    """Trouble is a warning; a wrong attempt is not logged by default, or an attacker could fill the disk."""
    written = start("DEBUG")
    log_event(event)
    found = json.loads(written())
    assert (found["message"], found["level"]) == (type(event).__name__, level)


def test_an_event_is_reported_with_its_fields(start):
    """As fields of the line, to be searched."""
    written = start("INFO")
    log_event(REFUSED)
    found = json.loads(written())
    wanted = {"to": "+1*******671", "purpose": "login", "verification_id": "VE1", "send_id": "VL1", "channel": "sms"}
    assert wanted.items() <= found.items()
    assert (found["reason"], found["provider_code"]) == ("bad_number", 21211)


@pytest.mark.parametrize(("level", "logged"), [("DEBUG", 4), ("INFO", 3), ("WARNING", 2), ("ERROR", 0)])
def test_the_level_decides(start, level, logged):
    """OTP_LOG_LEVEL."""
    written = start(level)
    for event in (SENT, REFUSED, LOST, Checked(*ABOUT, "pending")):
        log_event(event)
    assert len(written().splitlines()) == logged


def connection():
    return [end.detach() for end in socket.socketpair()]


@pytest.fixture
def ends(request, monkeypatch):
    """Lead standard error to where only the test reads; returns both ends."""
    reader, writer = request.param()
    with os.fdopen(writer, "wb"), os.fdopen(reader, "rb"):
        monkeypatch.setattr(logs, "STANDARD_ERROR", writer)
        yield reader, writer


def log_many(handler, count):
    thread = Thread(target=lambda: [handler.handle(record("x" * 200)) for _ in range(count)], daemon=True)
    thread.start()
    return thread


def read_all(reader):
    """Read what has been written by now."""
    text = b""
    with suppress(BlockingIOError):
        while True:
            text += os.read(reader, 65536)
    return text.decode().splitlines()


@pytest.mark.parametrize("ends", [os.pipe, connection], indirect=True)
def test_no_thread_waits_for_a_reader_of_the_log(ends, monkeypatch):
    """Lines are dropped while there is none; then a line says how many, and all are written again."""
    monkeypatch.setattr(logs, "READER_TIMEOUT", 0.0)
    handler, reader = Lines(), ends[0]
    os.set_blocking(reader, False)
    burst = log_many(handler, 3000)
    burst.join(5)
    waits, found = burst.is_alive(), read_all(reader)
    while burst.is_alive():
        found += read_all(reader)
    assert not waits
    missing = 3000 - len(found)
    handler.handle(record("on"))
    assert read_all(reader) == [f"{missing} lines are missing here: nobody read the log", "on"]


@pytest.mark.parametrize("ends", [os.pipe], indirect=True)
def test_a_slow_reader_misses_no_line(ends):
    """Lines wait for it, up to a second each."""
    burst = log_many(Lines(), 1000)
    with os.fdopen(os.dup(ends[0])) as reader:
        assert [reader.readline() for _ in range(1000)] == ["x" * 200 + "\n"] * 1000
    burst.join()
