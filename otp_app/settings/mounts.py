"""Files that are mounted by themselves, as containers mount secrets.

Most editors, `sed -i` and `mv` put another file in the place of the one that they change. The mount keeps the old file,
which outside has no name any more, or that of a backup. So whoever reads it sees what was valid before, such as a key
that was revoked.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

LEFT_BEHIND = "it was replaced, and its mount keeps the old file: restart the container, or mount the folder"
MOUNTS = Path("/proc/self/mountinfo")  # proc(5): each with its root in its file system, then the place of the mount

_sources: dict[str, str] = {}  # of a mounted file, when this process saw it first


def is_left_behind(status: os.stat_result) -> bool:
    """Return whether a file has no name, although it was found by one."""
    return status.st_nlink == 0


def is_renamed(path: Path) -> bool:
    """Return whether a mounted file has another name outside than when this process saw it first."""
    place = os.path.realpath(path)
    source = _source(place)
    return source != _sources.setdefault(place, source)


def _source(place: str) -> str:
    """Return the name that a mounted file has outside, "" for every other file."""
    written, found = place.replace("\\", "\\134").replace(" ", "\\040"), ""
    with suppress(OSError, ValueError):
        for line in MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
            _, _, _, root, mounted_at, *_ = line.split(" ")
            found = root if mounted_at == written else found
    return found
