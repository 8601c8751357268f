"""Files that are mounted, by themselves or with their folder, as containers mount secrets.

Most editors, `sed -i` and `mv` put another file in the place of the one that they change, and a deployment may put a
new folder in the place of the old one. The mount keeps the old, which outside has no name any more, or that of a
backup. So whoever reads it sees what was valid before, such as a key that was revoked.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

LEFT_BEHIND = (
    "it or its folder was replaced, and its mount keeps the old file: restart the container, or replace single files "
    "within a mounted folder"
)
MOUNTS = Path("/proc/self/mountinfo")  # proc(5): each with its root in its file system, then the place of the mount

_sources: dict[str, str] = {}  # of the mount that has a file, when this process saw it first


def is_left_behind(status: os.stat_result) -> bool:
    """Return whether a file has no name, although it was found by one."""
    return status.st_nlink == 0


def is_renamed(path: Path) -> bool:
    """Return whether the mount that has a file is of another name outside than when this process saw it first."""
    place = os.path.realpath(path)
    source = _source(place)
    return source != _sources.setdefault(place, source)


def _source(place: str) -> str:
    """Return the name that the mount of a file has outside, "" where it is that of the whole system."""
    written, found, at = place.replace("\\", "\\134").replace(" ", "\\040"), "", "/"
    with suppress(OSError, ValueError):
        for line in MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
            _, _, _, root, mounted_at, *_ = line.split(" ")
            if len(mounted_at) >= len(at) and mounted_at != "/" and f"{written}/".startswith(f"{mounted_at}/"):
                found, at = root, mounted_at
    return found
