"""What is known of callbacks before their request is read."""

from __future__ import annotations

PATH = "/callbacks/"  # all that providers call is below it
MOST_BODY = 64 * 1024  # bytes
