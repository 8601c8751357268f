"""The way to a directory of users: a URL.

A directory's class is called as `cls(url)`. It raises ValueError for a URL that it cannot use, without repeating it,
and reaches for files or servers only when somebody is looked up.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import Any, NoReturn, Protocol

from otp_app.core.errors import DirectoryUnavailable
from otp_app.plugins.guarded import Guarded, Method
from otp_app.plugins.loading import CLASS_PATH, construct

FILE = "otp_app.apis.users.directories.file:FileDirectory"

#: Scheme of the URL -> class, imported when a directory of that scheme is opened.
DIRECTORIES = {
    "file": FILE,
    "sqlite": "otp_app.apis.users.directories.sqlite:SqliteDirectory",
    **dict.fromkeys(("postgresql", "postgres"), "otp_app.apis.users.directories.postgres:PostgresDirectory"),
    **dict.fromkeys(("https", "http"), "otp_app.apis.users.directories.https:HttpsDirectory"),
}


class Directory(Protocol):
    """The phone numbers of users. Any thread may call."""

    def phone(self, user_id: str) -> str | None:
        """Return the number of a user, "" where there is none, None where there is no such user.

        Ids come as apis.users.user_id spells them. Raises DirectoryUnavailable within 3 s.
        """

    def close(self) -> None:
        """Close connections."""


def open_directory(url: str) -> Directory:
    """Return the directory of a URL, a path of a file, or one's own (`package.module:Class`, then `?options` if any).

    Raises ValueError with one line that says what to change.
    """
    target = _target(url)
    directory: Directory = construct(target, "directory", url)
    if target in DIRECTORIES.values():
        return directory
    return _OwnDirectory(directory, f"OTP_DIRECTORY_URL {target}", CONTRACT)


class _OwnDirectory(Guarded):
    """A directory of an operator's own."""

    phone: Any
    close: Any


def _unavailable(fault: str) -> NoReturn:
    raise DirectoryUnavailable(f"The directory is not available ({fault})")


#: what a directory of an operator's own must have, and what replaces its faults
CONTRACT = {
    "phone": Method(
        1, lambda phone: isinstance(phone, str | None), instead=_unavailable, raises=(DirectoryUnavailable,)
    ),
    "ping": Method(0, lambda _: True, instead=_unavailable, raises=(DirectoryUnavailable,), required=False),
    "close": Method(0, lambda _: True, instead=lambda _: None),
}


def _target(url: str) -> str:
    scheme = url.partition(":")[0]
    if scheme in DIRECTORIES:
        return DIRECTORIES[scheme]
    if own := CLASS_PATH.fullmatch(url):
        return own["target"]
    if ":" not in url and PurePath(url).suffix.lower() in (".csv", ".json", ".toml"):
        return FILE
    known = ", ".join(f"{name}://" for name in DIRECTORIES if name != "file")
    raise ValueError(f"no directory is known by this URL: use one of users.csv, {known} or package.module:Class")
