"""A directory in a table of an SQLite file, which is only read."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from otp_app.apis.users.directories import table
from otp_app.core.errors import DirectoryUnavailable
from otp_app.settings.mounts import LEFT_BEHIND, is_left_behind, is_renamed

TIMEOUT = 1.0  # seconds for a lock, and for the whole look-up
STEPS = 10_000  # of SQLite's machine, between two looks at the clock
WAL = b"\2\2"  # bytes 18 and 19 of a file in WAL mode (https://sqlite.org/fileformat2.html)
State = tuple[int, ...]

# A name in quotes that is no column is a text to SQLite, unless the table stands before it.
LOOK_UP = """
    SELECT CAST("{table}"."{phone}" AS TEXT) FROM "{table}" WHERE lower("{table}"."{id}") IN (?, ?) LIMIT 2
"""


class SqliteDirectory:
    """The directory of `sqlite:///relative/path` or `sqlite:////absolute/path`, with `table`, `id` and `phone`.

    Each look-up opens the file anew, so it may be replaced at any time.
    """

    def __init__(self, url: str, timeout: float = TIMEOUT) -> None:
        place, names = table.split(url)
        self._path, self._timeout = _parse(place), timeout
        self._address = f"{self._path.as_uri()}?mode=ro"
        self._look_up = LOOK_UP.format(**names._asdict())
        self._mode: tuple[State, bool] = (), False  # a file, by device and inode, and whether it is in WAL mode

    def phone(self, user_id: str) -> str | None:
        """Return the number of a user; see Directory."""
        if not table.can_be_stored(user_id):
            return None
        try:
            return table.one(self._rows(user_id))
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", type(error).__name__)
            raise DirectoryUnavailable(f"The directory is not available ({name})") from error
        except ValueError as error:
            raise DirectoryUnavailable(f"The directory is not available ({error})") from None

    def ping(self) -> None:
        """Raise DirectoryUnavailable where the table cannot be asked."""
        self.phone("")

    def close(self) -> None:
        """Return: no file is open between look-ups."""

    def _rows(self, user_id: str) -> list[tuple[str | None]]:
        end = time.monotonic() + self._timeout
        with suppress(OSError):  # SQLite says what is wrong with the file
            if is_left_behind(self._path.stat()) or is_renamed(self._path):
                raise ValueError(LEFT_BEHIND)
        while (at_rest := self._at_rest()) and time.monotonic() < end:
            # SQLite would make a log and its index, and the file's own programs could not write those of this user.
            rows = self._asked(f"{self._address}&immutable=1", user_id, end)
            if self._at_rest() == at_rest:
                return rows
        return self._asked(self._address, user_id, end)

    def _asked(self, address: str, user_id: str, end: float) -> list[tuple[str | None]]:
        with closing(sqlite3.connect(address, timeout=self._timeout, isolation_level=None, uri=True)) as db:
            db.set_progress_handler(lambda: time.monotonic() > end, STEPS)
            return db.execute(self._look_up, table.spellings(user_id)).fetchall()

    def _at_rest(self) -> State | None:
        """Return the state of a file in WAL mode that no program has open, None for every other file."""
        with suppress(OSError):
            status, file = self._path.stat(), self._path.resolve()
            is_closed = not any(file.with_name(f"{file.name}{end}").exists() for end in ("-wal", "-journal"))
            if is_closed and self._has_log(status):
                return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
        return None

    def _has_log(self, status: os.stat_result) -> bool:
        """Return whether a file is in WAL mode. It is read once: to close it ends all locks of this process at it."""
        file = status.st_dev, status.st_ino
        if self._mode[0] != file:
            with self._path.open("rb") as opened:
                self._mode = file, opened.read(20)[18:] == WAL
        return self._mode[1]


def _parse(place: str) -> Path:
    parts = urlsplit(place)
    name = unquote(parts.path).removeprefix("/")
    if not place.startswith("sqlite:///") or not name or "\0" in name or parts.query or parts.fragment:
        raise ValueError(
            "write sqlite:///relative/path.db or, with four slashes, sqlite:////absolute/path.db, then "
            "?table=users&id=user_id&phone=phone_number"
        )
    return Path(name).absolute()
