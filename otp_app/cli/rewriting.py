"""Replace a file as a whole: a reader sees the old one or the new one, with the same owner and mode."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from otp_app.cli.command import CannotDo


def rewrite(path: Path, before: str, content: str) -> None:
    """Replace the content of a file, behind links too. Raises CannotDo: the file is then as it was.

    `before` is what was read: of two commands at the same moment the second one finds another content and gives up.
    """
    target = path.resolve()
    try:
        with _alone(target.parent):
            if target.read_bytes() != before.encode():
                raise CannotDo(f"{path}: the file has just changed: run the command again")
            _replace(target, content)
    except OSError as error:
        raise CannotDo(f"{path}: the file cannot be replaced ({error.strerror}); it is as it was") from None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait for other commands that replace files in a folder, and write down its names at the end."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
        os.fsync(handle)
    finally:
        os.close(handle)


def _replace(target: Path, content: str) -> None:
    status = target.stat()
    handle, draft = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(content)
            os.fchown(handle, status.st_uid, status.st_gid)
            os.fchmod(handle, status.st_mode & 0o7777)
            file.flush()
            os.fsync(handle)
        Path(draft).replace(target)
    except BaseException:
        Path(draft).unlink()
        raise
