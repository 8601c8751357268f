"""The files that settings are read from: `.env` and the key file line by line, those that NAME_FILE names as a whole.

Both are read strictly. python-dotenv drops a line that it cannot read, and accepts lines that mean something else than
they seem to. Either way a guard could be off unnoticed, so here each such line is a fault with its number.
"""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from string import whitespace

from dotenv.parser import Binding, parse_stream

from otp_app.settings.mounts import LEFT_BEHIND, is_left_behind, is_renamed

LARGEST = 1_000_000  # bytes

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: characters that no text editor puts into such a file, and that programs read in different ways
_STRANGE = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff]|\r(?!\n)")
_OURS = r"((OTP|TWILIO|REDIS)_[A-Z0-9_]{1,40}|PHONE_VERIFICATION|WEB_CONCURRENCY|DATABASE_URL)"
#: another assignment within a value that has no quotes
_SECOND = re.compile(rf"[\s;,](export\s+|set\s+)?[A-Z_][A-Z0-9_]*=|{_OURS}\s*[=:]", re.ASCII)
#: a setting at the end of a comment, where a file that had no last line break was appended to: behind what ends a word,
#: a sentence, words in quotes, a heading (`# KEYS`) or a line of dashes, or behind a setting that is a comment. The
#: first `=` behind a name is looked for once in each word.
_IN_COMMENT = re.compile(
    rf"([^\sA-Z_#(\[{{<\"'`,;|/*=-]|[-=*~_/]{{3}}|\#{{5}}|\w[\"'`]|(?<![A-Z0-9_])[A-Z]{{3,40}}(?=OTP_|TWILIO_)"
    rf"|(?<!\S)([^\s=]*+(?<![A-Z0-9_])=)*+[^\s=]*+=\S*){_OURS}=", re.ASCII
)
#: a further line of a quoted value that looks like a line of its own: the quote was not closed where it should be
_SWALLOWED = re.compile(r"\s*((export|set)\s+)?([A-Za-z_][A-Za-z0-9_]*\s*=|(OTP|TWILIO)_)", re.ASCII)
_FURTHER = re.compile(r"\s*(export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=", re.ASCII)
#: another setting in a value whose quotes are gone already
_ASSIGNS = re.compile(rf"{_OURS}\s*=", re.ASCII)
#: a setting at the end of a value of others: systemd joins the line behind a backslash without a line break. Behind
#: an option it is meant to be there, as `-e OTP_TTL=60` in GUNICORN_CMD_ARGS. Looked for in the last word only.
_JOINED = re.compile(rf"(?<!-e)(?<!-e[ =])(?<!--env[ =])(?P<name>{_OURS})=", re.ASCII)


class FileFault(ValueError):
    """The file cannot be used; the text says why and has nothing of the file in it."""


@dataclass(slots=True)
class Lines:
    """The values and line numbers of a file by name, and a line for each fault."""

    values: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def read_text(path: Path) -> str:
    """Return the whole text of a file. Raises FileFault."""
    content = _content(path)
    if strange := _STRANGE.search(content):
        raise FileFault(f"the file has {_explain(strange[0])}")
    return content


def read_lines(path: Path) -> Lines:
    """Return the lines of a file; none where there is no such file. Raises FileFault."""
    if not _is_there(path):
        return Lines()
    content, found = _content(path), Lines()
    for number, binding in _statements(content):
        _add(found, number, binding)
    if strange := _STRANGE.search(content):  # alone, since lines are not counted well behind it
        number = content.count("\n", 0, strange.start()) + 1
        found.faults = [f"line {number} cannot be read: it has {_explain(strange[0])}"]
    return found


def holds_another(value: str) -> bool:
    """Return whether a value of the environment holds a setting too.

    systemd and others that read files for it join the lines behind an open quote or before a backslash.
    """
    return bool(_ASSIGNS.search(value)) or _is_open(value)


def further_names(value: str) -> list[str]:
    """Return the names that a value of the environment assigns to on its further lines, or joined to its end."""
    last_word = max(map(value.rfind, whitespace)) + 1
    further = [_FURTHER.match(line) for line in value.splitlines()[1:]]
    return [match["name"] for match in (*further, *_JOINED.finditer(value, last_word)) if match]


def _is_open(written: str) -> bool:
    return any(_SWALLOWED.match(line) for line in written.splitlines()[1:])


def _is_there(path: Path) -> bool:
    """Return whether there is such a file; a link without a target counts. Raises FileFault where this is unknown."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise FileFault("the file cannot be read") from error
    return True


def _content(path: Path) -> str:
    content, left_behind = _read(path)
    if left_behind:  # or another file has taken its place in between
        content, left_behind = _read(path)
    if left_behind:
        raise FileFault(LEFT_BEHIND)
    if len(content) > LARGEST:
        raise FileFault(f"the file is longer than {LARGEST} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise FileFault("the file cannot be read as text") from None


def _read(path: Path) -> tuple[bytes, bool]:
    """Return what is in a file, and whether it is only there for its mount. Raises FileFault."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe must not make it wait
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise FileFault("the file cannot be read")
            return file.read(LARGEST + 1), is_left_behind(status) or is_renamed(path)
    except (OSError, ValueError) as error:
        raise FileFault("the file cannot be read") from error


def _explain(strange: str) -> str:
    if strange == "\ufeff":
        return "a byte order mark: save the file as UTF-8 without it"
    return "a carriage return alone: end lines with a line feed" if strange == "\r" else "a control character"


def _statements(content: str) -> Iterator[tuple[int, Binding]]:
    """Yield each statement with the number of its first line; python-dotenv's own numbers are of the blank lines before
    it, and count a line end of Windows twice after a fault.
    """
    end = 0
    for binding in parse_stream(io.StringIO(content, newline="")):
        text = binding.original.string
        begin, end = end + len(text) - len(text.lstrip()), end + len(text)
        yield content.count("\n", 0, begin) + 1, binding


def _add(found: Lines, number: int, binding: Binding) -> None:
    name, value = binding.key, binding.value
    if binding.error:
        found.faults.append(f"line {number} cannot be read: write NAME=value, with quotes that are closed")
    elif _IN_COMMENT.search(_behind_value(binding)):
        found.faults.append(f"line {number} cannot be read: begin a new line for the setting at the end of its comment")
    elif name is None:
        return  # a comment, or nothing
    elif not _NAME.fullmatch(name) or value is None:
        found.faults.append(f"line {number} cannot be read: write NAME=value")
    elif fault := _fault(binding.original.string.strip(), value):
        found.faults.append(f"line {number} cannot be read: {fault}")
    elif name in found.numbers:
        found.values.pop(name, None)  # which of the two is meant is not known
        found.faults.append(f"line {number} repeats the name of line {found.numbers[name]}: keep one of the two")
    else:
        found.values[name], found.numbers[name] = value, number


def _behind_value(binding: Binding) -> str:
    statement = binding.original.string
    return statement.rpartition(binding.value)[2] if binding.value else statement


def _fault(statement: str, value: str) -> str | None:
    """Return what is wrong with a statement that python-dotenv accepts; None where it is right."""
    written = statement.partition("=")[2].lstrip()
    if written[:1] in ("'", '"'):
        return "its quote is not closed on the line" if _is_open(written) else None
    if value.endswith("\\"):
        return "a value ends with its line: remove the backslash"
    return "write one setting a line, or quotes around the value" if _SECOND.search(value) else None
