"""Files that are mounted by themselves, as containers mount secrets.

Most editors, `sed -i` and `mv` put another file in the place of the one that they change. The mount keeps the old file,
which has no name any more outside. So whoever reads it sees what was valid before, such as a key that was revoked.
"""

from __future__ import annotations

import os

LEFT_BEHIND = "it was replaced, and its mount keeps the old file: restart the container, or mount the folder"


def is_left_behind(status: os.stat_result) -> bool:
    """Return whether a file has no name, although it was found by one."""
    return status.st_nlink == 0
