"""A directory in a file, read again when it has changed."""

from __future__ import annotations

import errno
import logging
import os
import stat
from pathlib import Path
from threading import Lock
from urllib.parse import unquote, urlsplit

from otp_app.apis.users.directories.formats import FORMATS, Users
from otp_app.core.errors import DirectoryUnavailable
from otp_app.settings.mounts import LEFT_BEHIND, is_left_behind, is_renamed

MAX_SIZE = 50 * 1024 * 1024  # bytes
WRITE = (
    "write file:///etc/users.csv for an absolute path, file:users.csv for one that begins where the server starts "
    "(.csv, .json or .toml); after file:// stands a host, of which there is none here"
)
READ_TIMEOUT = 2.0  # seconds that a look-up waits while another reads the file for the first time

log = logging.getLogger(__name__)


class FileDirectory:
    """The directory of `file:///absolute/users.csv`, `file:relative/users.csv` or a plain path; also .json and .toml.

    The file's status is looked at for each look-up. What cannot be read is logged once, and what was read
    before stays.
    """

    def __init__(self, url: str, max_size: int = MAX_SIZE) -> None:
        self._path, self._max_size = _parse(url), max_size
        self._read = FORMATS[self._path.suffix.lower()]
        self._users: Users | None = None
        self._seen: tuple[int, ...] | None = None  # the state of the file that was read last
        self._fault, self._told = "", ""
        self._turn = Lock()

    def phone(self, user_id: str) -> str | None:
        """Return the number of a user; see Directory."""
        return self._current().get(user_id)

    def count(self) -> int:
        """Return the number of users; see wiring.Counted."""
        return len(self._current())

    def ping(self) -> None:
        """Raise DirectoryUnavailable while there are no users: the file is away or has a fault."""
        self._current()

    def _current(self) -> Users:
        timeout = READ_TIMEOUT if self._users is None else 0  # one thread reads, the others use what was read before
        if self._turn.acquire(timeout=timeout):
            try:
                self._refresh()
            finally:
                self._turn.release()
        if self._users is None:
            raise DirectoryUnavailable(f"The directory is not available ({self._fault or 'it is being read'})")
        return self._users

    def close(self) -> None:
        """Return: no file is open between look-ups."""

    def _refresh(self) -> None:
        try:
            state = self._path.stat()
            seen = (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
            if seen == self._seen:
                return
            self._users = self._read(self._content(state))
            self._seen, self._fault, self._told = seen, "", ""
        except OSError as error:  # may go by itself, so the next look-up tries again
            self._notify(errno.errorcode.get(error.errno or 0, "OSError"))
        except ValueError as error:
            self._seen = seen
            self._notify(str(error))

    def _content(self, state: os.stat_result) -> bytes:
        if not stat.S_ISREG(state.st_mode):
            raise ValueError("it is no file")
        if is_left_behind(state) or is_renamed(self._path):
            raise ValueError(LEFT_BEHIND)
        with self._path.open("rb") as file:
            content = file.read(self._max_size + 1)
        if len(content) > self._max_size:
            raise ValueError(f"it has more than {self._max_size} bytes")
        return content

    def _notify(self, fault: str) -> None:
        self._fault = fault
        if fault != self._told:
            kept = "there are no users" if self._users is None else "the users read before stay"
            log.warning("directory %s: %s; %s", self._path, fault, kept)
            self._told = fault


def _parse(url: str) -> Path:
    name = _path(url) if url.startswith("file:") else url
    path = Path(name)
    if "\0" in name or path.suffix.lower() not in FORMATS:
        raise ValueError(WRITE)
    return path.absolute()


def _path(url: str) -> str:
    """Return the path of a file URL as RFC 8089 has it, and of the relative `file:users.csv`, which it has not."""
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost") or parts.query or parts.fragment:
        raise ValueError(WRITE)
    path = unquote(parts.path)
    return f"/{path.lstrip('/')}" if path.startswith("/") else path
